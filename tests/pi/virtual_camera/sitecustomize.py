"""Python runs this when it starts: so the capture process, too, has the shield."""

import shield

shield.install()
