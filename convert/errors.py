"""Errors of the conversion, and TensorFlow's log lines, hidden unless something fails."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_runtime.arguments import run_command
from train.captured_output import captured_output, flush


class ModelError(ValueError):
    """The model or the installation is at fault, and the message says it all."""


class VerificationError(RuntimeError):
    """A converted file is not what was asked for."""


class ConversionError(RuntimeError):
    """A step failed inside TensorFlow.

    Attributes:
        log: what it printed until then.
    """

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


def run_conversion(work: Callable[[], None], stopped: str | Callable[[], str]) -> int:
    """Exit status of a command of this package, see `edge_runtime.arguments.run_command`.

    Returns: 0; 1 where a step failed inside TensorFlow, whose log is printed, or a file failed its
        check; 2 for what the user can cure; 130 after Ctrl-C.
    """

    def status() -> int:
        try:
            work()
        except (ConversionError, VerificationError) as error:
            if isinstance(error, ConversionError):
                print(error.log, file=sys.stderr)
            print(f"error: {error}", file=sys.stderr)
            return 1
        return 0

    return run_command("error", status, stopped=stopped)


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Hide what TensorFlow prints while it is imported: the block imports what needs it.

    Raises: ModelError where TensorFlow or Keras is missing.
    """
    try:
        with captured_output():
            yield
    except ImportError as error:
        raise ModelError(
            f"converting needs TensorFlow and Keras ({error}); on the desktop: "
            "pip install -e '.[train]'"
        ) from error


@contextmanager
def hidden_output(step: str) -> Iterator[None]:
    """Keep what is printed while the block runs, for the error that it may end in.

    Raises: ConversionError, with what was printed, for an error that nobody foresaw. ModelError
    and OSError (a full disk) pass as they are.
    """
    with captured_output() as log:
        try:
            yield
        except (ModelError, OSError):
            raise
        except Exception as error:
            if os.strerror(errno.ENOSPC) in str(error):  # TensorFlow has errors of its own
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            flush()
            log.seek(0)
            text = log.read().decode("utf-8", "replace")
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConversionError(f"{step} failed: {first}", text) from error
