"""Trial notes: which files this machine has tried with this interpreter, one empty file for each.

Apart from `edge_runtime.detector.trial_run`, so that a start with a known file does not pay for
what a trial needs.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from edge_runtime.detector.checksums import CHECKSUMS_MEMBER
from edge_runtime.detector.interpreter import find_runtime
from edge_runtime.detector.model_file import ModelFile
from edge_runtime.detector.sha256 import sha256


def was_tried(file: ModelFile) -> bool:
    """Whether a sealed file has passed its trial here. False where no note can be read."""
    with suppress(OSError, RuntimeError):
        return _note(file).exists()
    return False


def note_tried(file: ModelFile) -> None:
    """Remember a sealed file; a folder that cannot be written costs a trial each time, no more."""
    with suppress(OSError, RuntimeError):
        note = _note(file)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()


def _note(file: ModelFile) -> Path:
    # By its checksums, which hold: they say as much of the network as another pass over it would.
    sums = file.members.contents[CHECKSUMS_MEMBER]
    return notes_folder() / f"{sha256(sums)} {find_runtime()}"


def notes_folder() -> Path:
    """A service's own, or the user's cache. Raises: RuntimeError for a user without a home."""
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(cache).is_absolute():  # as the specification of base directories wants it
        cache = ""
    return Path(state or cache or Path("~/.cache").expanduser(), "edge-runtime", "tried")
