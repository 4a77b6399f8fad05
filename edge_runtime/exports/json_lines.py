"""JSON lines export: a line a picture to stdout, and pictures with boxes drawn into a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.exports.base import Job, Picture, Writer
from edge_runtime.media.images import write_image


class JsonLinesWriter(Writer):
    """Prints a line as soon as its picture is done; boxes are not clipped."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._targets: Sequence[Path] = []
        if job.folder is not None:
            self._targets = plan_targets(job.images, job.folder)

    def write(self, picture: Picture) -> None:
        if self._targets:
            # Not above: fonts take a while to load, and most calls draw nothing.
            from edge_runtime.media.draw import draw_detections

            drawn = draw_detections(picture.pixels, picture.detections_in_pixels())
            write_image(self._targets[picture.number], drawn)
        line = {"image": picture.path, "width": picture.width, "height": picture.height}
        line |= {"ms": picture.ms, "detections": picture.detections.to_dicts()}
        print(json.dumps(line), flush=True)


def plan_targets(images: Sequence[str], folder: Path) -> list[Path]:
    """A file in `folder` for each picture: its name, numbered where an earlier one has it.

    PNG stays PNG, since its pixels are exact; anything else becomes JPEG.

    Raises: ValueError if `folder` holds one of the pictures: it, or its neighbour of another
        format, could be overwritten.
    """
    taken: set[str] = set()
    targets = []
    for image in map(Path, images):
        if folder.resolve() in (image.parent.resolve(), image.resolve().parent):
            raise ValueError(
                f"--out {folder} is where {image} lies, pictures there could be overwritten; "
                "name another folder"
            )
        suffix = ".png" if image.suffix.lower() == ".png" else ".jpg"
        name, number = f"{image.stem}{suffix}", 1
        while name.casefold() in taken:  # some cards' file systems ignore case
            number += 1
            name = f"{image.stem}-{number}{suffix}"
        taken.add(name.casefold())
        targets.append(folder / name)
    return targets
