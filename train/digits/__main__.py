"""Write scenes of handwritten digits as a PASCAL VOC folder to train a detector on.

python -m train.digits --out build/data/digits
python -m train.digits --out build/data/mnist-digits --digits-dir DIR   # MNIST's IDX files
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge_runtime.arguments import run_command
from train.atomic_folder import atomic_folder
from train.data.dataset import load_dataset
from train.data.formats.voc import make_layout
from train.digits.glyphs import SPLITS, load_glyphs
from train.digits.scenes import SMALL_PX
from train.digits.writer import CLASS_NAMES, SceneWriter, image_id, write_all, write_samples

GENERATOR_VERSION = 1  # raise it with every change of what a seed draws
DEFAULT_COUNTS = {"train": 8000, "val": 250, "test": 500}
_OWN_NAMES = {
    *("Annotations", "JPEGImages", "ImageSets"),
    *("labels.txt", "dataset.json", "samples.jpg"),
}


def write_digits(
    out: str | Path,
    counts: Mapping[str, int] = DEFAULT_COUNTS,
    seed: int = 0,
    digits_dir: str | Path | None = None,
    workers: int | None = None,
    force: bool = False,
) -> bool:
    """Write the VOC folder `out`; True if it was written, False if it was there already.

    counts: scenes for each of train, val and test; a split of 0 is left out. A scene depends on
    the seed, its split and its number only, not on counts or workers. digits_dir: a folder of
    MNIST files, None for scikit-learn's digits. workers: processes, None for one a core. force:
    replace an `out` of another configuration, as long as it holds nothing but a digits set.

    Raises: ValueError for counts or workers out of range, a damaged source, an `out` that holds
    something else.
    """
    out = Path(out)
    workers = os.cpu_count() or 1 if workers is None else workers
    _check_request(counts, seed, workers)
    source = load_glyphs(digits_dir)
    config: dict[str, Any] = {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "counts": {split: counts.get(split, 0) for split in SPLITS},
        "source": source.name,
        "source_digest": source.digest,
    }
    if _holds(out, config, force):
        return False
    # Only an empty folder is left there, or a digits set that `force` gives up.
    with atomic_folder(out, replace=True) as folder:
        writer = SceneWriter(folder, source.images, source.pools(seed), seed)
        _fill(writer, config, workers)
    return True


def _check_request(counts: Mapping[str, int], seed: int, workers: int) -> None:
    known = set(counts) <= set(SPLITS)
    if not known or min(counts.values(), default=0) < 0 or not any(counts.values()):
        raise ValueError(
            f"expected counts of at least 0, not all 0, for {', '.join(SPLITS)}, got "
            f"{dict(counts)}; correct them"
        )
    if workers < 1 or seed < 0:
        raise ValueError(
            f"expected workers >= 1 and seed >= 0, got {workers} and {seed}; correct them"
        )


def _holds(out: Path, config: dict[str, Any], force: bool) -> bool:
    """True where `out` holds this very set; False where it may be written.

    Raises: ValueError where it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    try:
        found = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == config:
        return True
    foreign = sorted({path.name for path in out.iterdir()} - _OWN_NAMES) if out.is_dir() else [out]
    if found is None or foreign:
        raise ValueError(
            f"{out}: expected a free place or a digits set, got something else "
            f"({', '.join(map(str, foreign[:5])) or 'no dataset.json'}); choose another folder"
        )
    if not force:
        raise ValueError(
            f"{out}: expected the configuration {config}, got {found}; "
            "choose another folder, or replace it with --force"
        )
    return False


def _fill(writer: SceneWriter, config: dict[str, Any], workers: int) -> None:
    folder = writer.folder
    make_layout(folder)
    tasks = []
    for split, count in config["counts"].items():
        tasks += [(split, index) for index in range(count)]
        ids = "".join(f"{image_id(split, index)}\n" for index in range(count))
        if count:
            (folder / "ImageSets/Main" / f"{split}.txt").write_text(ids, encoding="utf-8")
    for _ in tqdm(write_all(writer, tasks, workers), total=len(tasks), desc="digits", unit="scene"):
        pass
    (folder / "labels.txt").write_text("\n".join(CLASS_NAMES) + "\n", encoding="utf-8")
    write_samples(folder, [image_id(*task) for task in tasks[-12:]])
    text = json.dumps(config, indent=2) + "\n"
    (folder / "dataset.json").write_text(text, encoding="utf-8")


def describe(root: str | Path) -> str:
    """A table of what the folder holds, for each split: scenes, boxes, classes, small boxes."""
    lines = []
    for split in SPLITS:
        if not (Path(root) / "ImageSets/Main" / f"{split}.txt").is_file():
            continue
        dataset = load_dataset(root, split)
        sizes = np.concatenate(
            [
                (example.boxes[:, 2:] - example.boxes[:, :2]) * (example.width, example.height)
                for example in dataset
            ]
        )
        small = (sizes.max(axis=1) < SMALL_PX - 0.5).mean()  # boxes are float32, sides whole pixels
        per_class = "  ".join(f"{name}: {n}" for name, n in dataset.class_counts().items())
        lines.append(
            f"{split:5}  {len(dataset)} scenes, {dataset.box_count} boxes, "
            f"{small:.1%} with a longer side under {SMALL_PX} px\n       {per_class}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns: the exit status, 2 after an error that the user can cure."""
    parser = argparse.ArgumentParser(
        prog="python -m train.digits",
        description="Write scenes of handwritten digits as a PASCAL VOC folder.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("build/data/digits"), help="VOC folder")
    parser.add_argument(
        "--digits-dir",
        type=Path,
        help="folder of MNIST IDX files; without it scikit-learn's digits",
    )
    for split in SPLITS:
        parser.add_argument(f"--{split}", type=int, default=DEFAULT_COUNTS[split], help="scenes")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other scenes")
    parser.add_argument("--workers", type=int, help="processes; without it one for each core")
    parser.add_argument("--force", action="store_true", help="replace another digits set in --out")
    options = parser.parse_args(arguments)
    return run_command(parser.prog, lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    counts = {split: getattr(options, split) for split in SPLITS}
    written = write_digits(
        options.out, counts, options.seed, options.digits_dir, options.workers, options.force
    )
    print(f"{options.out}: {'written' if written else 'up to date'}")
    if written:
        print(describe(options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
