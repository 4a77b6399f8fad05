"""Writer of scenes into a VOC folder, by one or several processes, always the same bytes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from train.data.formats.voc import read_annotation, write_annotation
from train.digits.clutter import SIDE
from train.digits.glyphs import SPLITS
from train.digits.scenes import draw_scene

CLASS_NAMES = tuple("0123456789")
_CHUNK = 32  # scenes handed to a worker at once: enough that handing over costs nothing


@dataclass(frozen=True, eq=False)
class SceneWriter:
    """Draws and writes a scene by its number alone, so that any worker may do it."""

    folder: Path
    images: np.ndarray
    pools: dict[str, list[np.ndarray]]
    seed: int

    def write(self, task: tuple[str, int]) -> None:
        split, index = task
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        scene = draw_scene(self.images, self.pools[split], rng)
        stem = image_id(split, index)
        path = self.folder / "JPEGImages" / f"{stem}.jpg"
        Image.fromarray(scene.pixels).save(path, quality=90)
        names = [CLASS_NAMES[class_id] for class_id in scene.class_ids]
        xml_path = self.folder / "Annotations" / f"{stem}.xml"
        write_annotation(xml_path, path.name, SIDE, SIDE, scene.boxes_px, names)


_writer: SceneWriter | None = None  # a worker process's own; sent once, not with every task


def _set_writer(writer: SceneWriter) -> None:
    global _writer
    _writer = writer


def _write(task: tuple[str, int]) -> None:
    assert _writer is not None
    _writer.write(task)


def write_all(writer: SceneWriter, tasks: list[tuple[str, int]], workers: int) -> Iterator[None]:
    """Write the scenes of (split, number), yielding after each."""
    if workers == 1 or len(tasks) <= _CHUNK:
        yield from map(writer.write, tasks)
        return
    # spawn: a fork of a process that runs threads, as TensorFlow does, may hang.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _set_writer, (writer,)
    )
    try:
        yield from pool.map(_write, tasks, chunksize=_CHUNK)
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
