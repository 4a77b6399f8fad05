"""Draw the pictures of docs/ssd.md from the running code.

    python -m studies.ssd_pictures --out docs/ssd

A scene that no training has seen, the boxes of SSD300, and what the shipped detector makes of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert.errors import quiet_imports
from edge_runtime.arguments import run_command, whole_number
from edge_runtime.detector.spec import read_spec
from train.digits.glyphs import load_glyphs
from train.digits.scenes import Scene, draw_scene

NAMES = ("default_boxes", "match", "negatives", "suppression")


def _scene(seed: int) -> Scene:
    source = load_glyphs()
    return draw_scene(source.images, source.pools(0)["test"], np.random.default_rng(seed))


def _run(args: argparse.Namespace) -> int:
    spec = read_spec(args.model)
    with quiet_imports():
        import keras

        from studies.ssd_pictures import stages
        from studies.ssd_pictures.drawing import write_panels
    model = keras.saving.load_model(args.model, compile=False)
    scene = _scene(args.seed)
    logits, offsets = stages.run_net(model, spec, scene)
    panels = (
        stages.default_boxes(scene),
        stages.match(scene, spec),
        stages.negatives(scene, spec, logits),
        stages.suppression(scene, spec, logits, offsets),
    )
    args.out.mkdir(parents=True, exist_ok=True)
    for name, row in zip(NAMES, panels, strict=True):
        path = args.out / f"{name}.webp"
        write_panels(path, row)
        print(path)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns: the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.ssd_pictures",
        description="Draw SSD's stages on a scene of digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("build/ssd"), help="folder for the pictures")
    add("--model", type=Path, default=Path("models/digits.keras"), help="a digits detector")
    add("--seed", type=whole_number(0), default=20, help="of the scene")
    args = parser.parse_args(arguments)
    return run_command("error", lambda: _run(args), stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
