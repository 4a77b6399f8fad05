"""A folder that appears whole or not at all, as `edge_runtime.media.atomic` has it for files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes `path` when the block ends without an error.

    After an error there is no trace of it.

    Args:
        replace: remove what `path` holds; without it only an empty folder is replaced.

    Raises: OSError where it cannot be written, or `path` holds something.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp's 0700 is for secrets, not for results
        if path.exists():
            shutil.rmtree(path) if replace else path.rmdir()
        folder.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
