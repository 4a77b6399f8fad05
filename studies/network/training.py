"""Training of a variant: `python -m train`, which then knows a preset network_NAME for each.

python -m studies.network.training --preset network_no_last --data DATA --out FILE.keras
make network-train VARIANT=no_last
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from train.captured_output import captured_output

PREFIX = "network_"


def register() -> list[str]:
    """Add the variants' presets and backbones to those of `train`. Returns: the presets' names.

    Not those with another resize, which no preset has.
    """
    with captured_output():
        from studies.network.variants import UNCHANGED, VARIANTS
        from train.model.backbones import BACKBONES
        from train.model.presets import PRESETS
    for variant in VARIANTS:
        if variant.resize:
            continue
        name, net, preset = f"{PREFIX}{variant.name}", variant.backbone(), variant.preset()
        if variant.body != UNCHANGED or not variant.separable_head:
            BACKBONES[name] = replace(net, name=name)
            preset = replace(preset, backbone=name)
        PRESETS[name] = preset
    return [name for name in PRESETS if name.startswith(PREFIX)]


def main(arguments: Sequence[str] | None = None) -> int:
    register()
    from train.__main__ import main as train  # now: its flags list the presets there are

    return train(arguments)


if __name__ == "__main__":
    sys.exit(main())
