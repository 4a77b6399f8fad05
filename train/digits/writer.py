"""Scenes into files: one at a time or by several processes, always the same bytes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from train.data.voc import read_annotation, write_annotation
from train.digits.clutter import SIDE
from train.digits.glyphs import SPLITS
from train.digits.scenes import draw_scene

CLASS_NAMES = tuple("0123456789")
_CHUNK = 32  # scenes handed to a worker at once: enough that handing over costs nothing


@dataclass(frozen=True, eq=False)
class Painter:
    """Draws and writes a scene by its number alone, so that any worker may do it."""

    folder: Path
    images: np.ndarray
    pools: dict[str, list[np.ndarray]]
    seed: int

    def paint(self, task: tuple[str, int]) -> None:
        split, index = task
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        scene = draw_scene(self.images, self.pools[split], rng)
        stem = image_id(split, index)
        path = self.folder / "JPEGImages" / f"{stem}.jpg"
        Image.fromarray(scene.pixels).save(path, quality=90)
        names = [CLASS_NAMES[class_id] for class_id in scene.class_ids]
        xml_path = self.folder / "Annotations" / f"{stem}.xml"
        write_annotation(xml_path, path.name, SIDE, SIDE, scene.boxes_px, names)


_painter: Painter | None = None  # a worker process's own; sent once, not with every task


def _set_painter(painter: Painter) -> None:
    global _painter
    _painter = painter


def _paint(task: tuple[str, int]) -> None:
    assert _painter is not None
    _painter.paint(task)


def paint_all(painter: Painter, tasks: list[tuple[str, int]], workers: int) -> Iterator[None]:
    if workers == 1 or len(tasks) <= _CHUNK:
        yield from map(painter.paint, tasks)
        return
    # spawn: a fork of a process that runs threads, as TensorFlow does, may hang.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _set_painter, (painter,)
    )
    try:
        yield from pool.map(_paint, tasks, chunksize=_CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


def image_id(split: str, index: int) -> str:
    return f"{split}_{index:05d}"


def write_samples(folder: Path, image_ids: Sequence[str]) -> None:
    """A contact sheet, samples.jpg, of some scenes of the folder with their boxes."""
    columns, gap = 4, 6
    rows = -(-len(image_ids) // columns)
    pitch = SIDE + gap
    sheet = Image.new("RGB", (columns * pitch - gap, rows * pitch - gap))
    for number, stem in enumerate(image_ids):
        with Image.open(folder / "JPEGImages" / f"{stem}.jpg") as scene:
            draw = ImageDraw.Draw(scene)
            for item in read_annotation(folder / "Annotations" / f"{stem}.xml").objects:
                draw.rectangle(item.box_px, outline="red")
                draw.text((item.box_px[0] + 2, item.box_px[1]), item.name, fill="red")
            sheet.paste(scene, (number % columns * pitch, number // columns * pitch))
    sheet.save(folder / "samples.jpg", quality=90)
