"""Secrets file: environment variables of a service that only the file's owner may read.

Its form is that of systemd's EnvironmentFile=, https://www.freedesktop.org/software/systemd/man/
latest/systemd.exec.html#EnvironmentFile=, which a shell reads as well.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from edge_runtime.media.atomic import atomic_path

SOURCE = "EDGE_RUNTIME_SOURCE"
TEMPLATE = """\
# Secrets of {name}.service, which only the owner of this file may read.
# Remove the # from what is used; then: {restart}
#EDGE_RUNTIME_WEB_TOKEN=
#EDGE_RUNTIME_MQTT_USER=
#EDGE_RUNTIME_MQTT_PASSWORD=
# An address with a password; leave out --source then.
#EDGE_RUNTIME_SOURCE=rtsp://user:password@camera/stream
"""


def make_secrets(path: Path, name: str, restart: str) -> bool:
    """Write the file without any secret; one that is there stays as it is.

    name: of the service. restart: the command that makes it read the file. Returns: whether it was
    made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(TEMPLATE.format(name=name, restart=restart))
    return True


def set_variable(path: Path, name: str, value: str) -> None:
    """Give a variable of the file its value; all else in it stays, and nobody else may read it.

    Raises: OSError; ValueError for a value of more than one line.
    """
    earlier = path.read_text(encoding="utf-8", errors="surrogateescape")
    lines = [line for line in earlier.splitlines() if not re.match(rf"\s*{name}\s*=", line)]
    text = "\n".join([*lines, f"{name}={_quoted(value)}", ""])
    with atomic_path(path, is_secret=True) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def _quoted(value: str) -> str:
    if not value.isprintable():
        raise ValueError("an address of one line of printable characters expected for the service")
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'
