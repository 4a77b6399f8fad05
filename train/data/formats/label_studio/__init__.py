"""Label Studio's JSON: a list of tasks, each with a picture and regions in percent of its sides.

Label Studio shows pictures upright. Form: https://labelstud.io/guide/task_format
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from train.data.formats.base import OWN_FORM, Format, Recognized
from train.data.formats.files import FolderFiles
from train.data.formats.label_studio.names import match_names
from train.data.formats.label_studio.tasks import read_task_file
from train.data.formats.listed.folder import read_lists
from train.data.formats.located_json import first_of_list
from train.data.labeled_folder import LabeledFolder

_RESULTS = re.compile(rb'"result"\s*:\s*\[\s*\{')  # of an annotation that has some


def recognize(files: FolderFiles) -> Recognized | None:
    """Label Studio where there are JSON lists whose first element is a task."""
    paths = [path for path in files.with_suffix(".json") if _is_task(first_of_list(path))]
    if not paths:
        return None
    counts = [max(1, len(_RESULTS.findall(path.read_bytes()))) for path in paths]
    return Recognized(sum(counts), partial(_read, files, paths))


FORMAT = Format("Label Studio", recognize, OWN_FORM)


def _is_task(first: Any) -> bool:
    return (
        isinstance(first, dict)
        and isinstance(first.get("data"), dict)
        and any(isinstance(first.get(key), list) for key in ("annotations", "completions"))
    )


def _read(files: FolderFiles, paths: Sequence[Path]) -> LabeledFolder:
    notes: list[str] = []
    lists = [read_task_file(path, notes) for path in paths]
    match_names(files, [image for each in lists for image in each.images])
    return read_lists(files, lists, FORMAT.name, '"data"', notes)
