"""YOLO folder: read whole into a `LabeledFolder`, from any of the layouts that tools write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from train.data.annotation import Annotation, MalformedLabels
from train.data.formats.files import FolderFiles
from train.data.formats.fractions import upright_size
from train.data.formats.image_ids import plain_id, unique_ids
from train.data.formats.yolo.classes import NumberedNames, find_names
from train.data.formats.yolo.config import Config, config_paths, read_config
from train.data.formats.yolo.labels import Forms, read_label_file
from train.data.formats.yolo.pairs import Pairs, pair_labels
from train.data.formats.yolo.places import Places
from train.data.formats.yolo.poses import find_pose_numbers
from train.data.formats.yolo.splits import find_splits
from train.data.labeled_folder import Item, LabeledFolder


def read_folder(files: FolderFiles) -> LabeledFolder:
    """Read all of a YOLO set.

    Raises: ValueError, naming file and line, where its configuration is malformed or names
    folders that are not there, or no file names its classes. OSError.
    """
    paths = config_paths(files)
    config = read_config(paths[0]) if paths else None
    places = Places(files)
    classes = find_names(files, places, config)
    pairs = pair_labels(files)
    ids = dict(zip(files.images, unique_ids(map_relative(files, files.images)), strict=True))
    splits, notes = find_splits(files, places, config, ids)
    pose_numbers = config.pose_numbers if config else 0
    items, forms, reader = _read_items(files, classes, pairs, ids, pose_numbers)
    if not pose_numbers and _has_longer_lines(items, forms):
        labels = [path for paths in pairs.labels.values() for path in paths]
        pose_numbers = find_pose_numbers(labels)
        if pose_numbers:
            items, forms, reader = _read_items(files, classes, pairs, ids, pose_numbers)
    for image_id, label in _lost_ids(files, pairs.lost, items).items():
        items[image_id] = reader.lost_item(image_id, label)
    notes = [*(config.notes if config else []), *notes, *_form_notes(forms)]
    notes += [f"{path}: another configuration, left aside; took {paths[0]}" for path in paths[1:]]
    notes += _shared_notes(pairs)
    bare = [path for path in pairs.bare if path not in pairs.labels]
    if bare:
        notes.append(
            f"{len(bare)} pictures lie in folders without any label file, such as {bare[0]}; they "
            "count as background. Move them out of the set if they show what is to be found"
        )
    return LabeledFolder(
        files.root,
        "YOLO",
        _layout(files, config, classes, pairs),
        dict(sorted(items.items())),
        splits,
        classes.class_list(),
        notes=tuple(notes),
        background=True,
    )


def _read_items(
    files: FolderFiles,
    classes: NumberedNames,
    pairs: Pairs,
    ids: dict[Path, str],
    pose_numbers: int,
) -> tuple[dict[str, Item], Forms, _Reader]:
    forms = Forms()
    reader = _Reader(files, classes, pose_numbers, forms)
    items = {ids[image]: reader.item(ids[image], image, pairs) for image in files.images}
    return items, forms, reader


def _has_longer_lines(items: dict[str, Item], forms: Forms) -> bool:
    """Whether there are lines that key points may make longer than a box's."""
    kinds = {flaw.kind for item in items.values() for flaw in item.flaws}
    return "polygon" in forms.counts or bool(kinds & {"bad-number", "not-normalized"})


def map_relative(files: FolderFiles, paths: Iterable[Path]) -> list[str]:
    """The paths below the root."""
    return [files.relative(path) for path in paths]


def _lost_ids(files: FolderFiles, lost: list[Path], taken: dict[str, Item]) -> dict[str, Path]:
    """Ids of label files without a picture; no picture's id changes for their sake."""
    ids: dict[str, Path] = {}
    for path in lost:
        names = plain_id(files.relative(path)), files.relative(path)[:-4], files.relative(path)
        ids[next(name for name in names if name not in taken and name not in ids)] = path
    return ids


class _Reader:
    """Reads the items of a set; what all label files share is held here."""

    def __init__(
        self, files: FolderFiles, classes: NumberedNames, pose_numbers: int, forms: Forms
    ) -> None:
        self._files, self._classes = files, classes
        self._pose_numbers, self._forms = pose_numbers, forms

    def item(self, image_id: str, image: Path, pairs: Pairs) -> Item:
        """A picture with its label file, or as background."""
        labels = pairs.labels.get(image, [])
        if len(labels) > 1:
            names = " and ".join(map_relative(self._files, labels))
            reason = f"{names} fit both; remove the wrong one"
            malformed = MalformedLabels(str(image), 0, reason)
            return Item(image_id, image, None, image, malformed=malformed)
        size_wh = upright_size(image)
        if not labels:
            return Item(image_id, image, Annotation(image, None, size_wh, (), 0, 0), image)
        return self._labelled(image_id, labels[0], size_wh, image)

    def lost_item(self, image_id: str, label: Path) -> Item:
        """A label file without a picture."""
        image, problem = self._files.find_image(label)
        if image:
            name = self._files.relative(image)
            problem = f"is not taken: {name} has a nearer label file; remove one of them"
        return self._labelled(image_id, label, None, None, problem)

    def _labelled(
        self,
        image_id: str,
        label: Path,
        size_wh: tuple[int, int] | None,
        image: Path | None,
        problem: str = "",
    ) -> Item:
        try:
            objects, flaws = read_label_file(
                label, size_wh or (1, 1), self._classes, self._pose_numbers, self._forms
            )
        except MalformedLabels as error:
            return Item(image_id, label, None, image, malformed=error, image_problem=problem)
        # Fractions of a picture of unknown size are no boxes.
        annotation = Annotation(label, None, size_wh, tuple(objects if size_wh else ()), 1, 1)
        return Item(image_id, label, annotation, image, tuple(flaws), image_problem=problem)


_FORM_NOTES = {
    "polygon": "{} polygons were taken as the boxes around them (first: {})",
    "confidence": "{} lines have a sixth number, taken as a confidence and left aside (first: {})",
    "pose": "{} lines have key points after the box, left aside (first: {})",
}


def _shared_notes(pairs: Pairs) -> list[str]:
    """A note on label files that two pictures of one stem have."""
    images = defaultdict(list)
    for image, labels in pairs.labels.items():
        for label in labels:
            images[label].append(image)
    shared = {label: found for label, found in images.items() if len(found) > 1}
    if not shared:
        return []
    label, (first, second, *_) = next(iter(shared.items()))
    return [
        f"{len(shared)} label files belong to more than one picture, such as {label} to {first} "
        f"and {second}: each gets the boxes. Move out of the set what is no picture of it, as "
        "masks are"
    ]


def _form_notes(forms: Forms) -> list[str]:
    return [
        _FORM_NOTES[form].format(count, forms.first[form]) for form, count in forms.counts.items()
    ]


def _layout(files: FolderFiles, config: Config | None, classes: NumberedNames, pairs: Pairs) -> str:
    beside = apart = 0
    for image, labels in pairs.labels.items():
        if files.parts(image) == files.parts(labels[0]):
            beside += 1
        else:
            apart += 1
    where = "label files beside the pictures"
    if apart:
        first = next(
            labels[0] for image, labels in pairs.labels.items() if labels[0].parent != image.parent
        )
        where = f"label files in folders such as {'/'.join(files.parts(first))}/"
        where += " and beside the pictures" if beside else ""
    elif not beside:
        where = "no label file"
    source = config.path if config else classes.path
    inside = source.is_relative_to(files.root) and config
    return f"{files.relative(source) if inside else source.name}, {where}"
