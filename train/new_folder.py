"""A folder that appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_free(out: Path, source: Path) -> None:
    """Raises: ValueError where `out` holds something already or lies inside `source`."""
    if source.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(
            f"{out}: expected a place outside {source}, which stays as it is; choose another folder"
        )
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(
            f"{out}: expected a free place or an empty folder, got one that holds something; "
            "choose another folder"
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that becomes `out` when the block ends without an error.

    `out` is free, see `check_free`. After an error there is no trace of it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp's 0700 is for secrets, not for results
        if out.exists():
            out.rmdir()
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
