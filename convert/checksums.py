"""Add checksums to .tflite files of earlier versions.

    python -m convert.checksums models/digits_int8.tflite

The file is opened and run first, in a process of its own. From then on its bytes count as right:
add them on the desktop, to the file that was converted, not to a copy that may be damaged already.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from convert.errors import run_conversion
from edge_runtime.detector.checksums import CHECKSUMS_MEMBER, make_checksums
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.model_file import read_model_file
from edge_runtime.detector.spec import SPEC_MEMBER, SpecError, write_member
from edge_runtime.media.atomic import atomic_path


def add_checksums(path: Path) -> bool:
    """Add checksums to a file that has none; every other byte stays.

    Returns: False for a file that has them, and they hold.
    Raises: as `Detector`; SpecError for a file of another maker.
    """
    file = read_model_file(path)
    if file.is_sealed:
        return False
    if file.text(SPEC_MEMBER) is None:
        raise SpecError(
            f"{path}: a file of `python -m convert` expected, found one of another maker; it is "
            "tried in a process of its own wherever it is opened"
        )
    Detector(path, file=file)
    sums = make_checksums(file.content[: file.members.front], file.members.contents)
    with atomic_path(path) as temporary:
        shutil.copyfile(path, temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            write_member(archive, CHECKSUMS_MEMBER, sums.encode())
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m convert.checksums",
        description="Add checksums to .tflite files of earlier versions.",
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="of this project")
    args = parser.parse_args(arguments)

    def work() -> None:
        for path in args.files:
            print(f"{path}: {'added' if add_checksums(path) else 'has them already'}")

    return run_conversion(work, stopped="stopped; files are whole, with or without")


if __name__ == "__main__":
    sys.exit(main())
