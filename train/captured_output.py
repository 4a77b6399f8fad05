"""TensorFlow's start-up chatter and the converter's log, kept out of the user's sight.

Most of it comes from C++, straight to the file descriptors, so replacing sys.stdout is no help,
and TensorFlow's own settings come too late for its first lines.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO


@contextmanager
def captured_output() -> Iterator[BinaryIO]:
    """Send descriptors 1 and 2 to a temporary file, which the block is given, while it runs."""
    with tempfile.TemporaryFile() as log:
        flush()
        kept = [os.dup(descriptor) for descriptor in (1, 2)]
        try:
            for descriptor in (1, 2):
                os.dup2(log.fileno(), descriptor)
            yield log
        finally:
            flush()
            for descriptor, original in zip((1, 2), kept, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


def flush() -> None:
    """Write out what Python still holds back for both descriptors."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
