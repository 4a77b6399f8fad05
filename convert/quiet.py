"""TensorFlow's log lines, kept out of sight unless something fails.

Most of them come from C++, straight to the file descriptors, so replacing sys.stdout is no help.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


class ModelError(ValueError):
    """The model is at fault, and the message says it all."""


class ConversionError(RuntimeError):
    """A step failed inside TensorFlow.

    Attributes:
        log: what it printed until then.
    """

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@contextmanager
def hidden_output(step: str) -> Iterator[None]:
    """Send descriptors 1 and 2 to a temporary file while the block runs.

    Raises: ConversionError, with what was printed, for an error that nobody foresaw. ModelError
    and OSError (a full disk) pass as they are.
    """
    with tempfile.TemporaryFile() as log:
        _flush()
        kept = [os.dup(descriptor) for descriptor in (1, 2)]
        try:
            for descriptor in (1, 2):
                os.dup2(log.fileno(), descriptor)
            yield
        except (ModelError, OSError):
            raise
        except Exception as error:
            _flush()
            log.seek(0)
            text = log.read().decode("utf-8", "replace")
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConversionError(f"{step} failed: {first}", text) from error
        finally:
            _flush()
            for descriptor, original in zip((1, 2), kept, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
