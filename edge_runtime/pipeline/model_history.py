"""Model history: which files a service could use, and which ended its process, kept on disk.

A service that a model file ends would be started again with it for ever. The file is therefore
noted before it is opened, and a signal of the process's own (SIGSEGV, say) is written beside it.
Who finds both of a process that is gone does not try the file again, and the last file that worked,
of which a copy is kept, takes its place. Without such a signal the process was killed from outside,
for a lack of memory perhaps: that is the file's fault only where it happens again and again.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edge_runtime.detector.interpreter import find_runtime
from edge_runtime.detector.json_object import is_whole, read_object
from edge_runtime.detector.model_file import ModelFile, read_model_file
from edge_runtime.media.atomic import atomic_path

log = logging.getLogger(__name__)

FOLDER = "model"
COPY = "last_good.tflite"
NOTES = "history.json"
CRASH = "crash.txt"  # what `faulthandler` says of a signal while a file is opened
MOST_KILLS = 3  # in a row, from outside
MOST_REFUSED = 16  # the latest ones
MOST_LETTERS = 64 << 10  # of the notes

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Notes:
    """What is kept.

    Attributes:
        good: digest of the file of which COPY is one; "" before the first.
        path: where it was.
        opening: digest of the file that is being opened; "" once it is open.
        kills: how often in a row a process was killed from outside at that, before this time.
        boot: of the machine, in which it was; a power cut is no fault of the file's.
        refused: digest and interpreter → why it is not tried again.
    """

    good: str = ""
    path: str = ""
    opening: str = ""
    kills: int = 0
    boot: str = ""
    refused: dict[str, str] = field(default_factory=dict)


class ModelHistory:
    """The files that a service opened. A folder that cannot be written is told of, and no more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notes = _read(folder / NOTES)
        self._boot = _boot_id()
        # Left behind by a process that did not get past it, or None.
        left = self._notes.opening if self._notes.boot == self._boot else ""
        self._ended_at = left or None
        self._kills = 0
        self._blame: str | None = None  # why the file that is left is not tried again
        if left and _crashed(folder / CRASH):
            self._blame = "it ended the service while it was opened"
        elif left:
            self._kills = self._notes.kills + 1
            if self._kills >= MOST_KILLS:
                self._blame = (
                    f"the service was killed {self._kills} times in a row while it was opened; too "
                    "little memory, perhaps"
                )

    def check(self, file: ModelFile) -> None:
        """Refuse a file that ended a process. Raises: ValueError, naming it and what to do."""
        if self._blame and file.digest == self._ended_at and file.digest != self._notes.good:
            self.refuse(file, self._blame)
        reason = self._notes.refused.get(self._key(file))
        if reason is not None:
            raise ValueError(
                f"{file.path} is not tried again: {reason}; put another file in its place, or "
                f"remove {self._folder} to try it all the same"
            )

    def is_good(self, file: ModelFile) -> bool:
        """Whether it is the last that worked, and did nothing else since."""
        return file.digest == self._notes.good and file.digest != self._ended_at

    def refuse(self, file: ModelFile, reason: str) -> None:
        """Remember that a file ended a process: this one's, or that of its trial."""
        refused = {**self._notes.refused, self._key(file): reason}
        kept = dict(list(refused.items())[-MOST_REFUSED:])
        self._write(replace(self._notes, refused=kept))

    @contextmanager
    def opening(self, file: ModelFile) -> Iterator[None]:
        """The block opens the file in this process; what it raises is no crash."""
        kills = self._kills if file.digest == self._ended_at else 0
        self._write(replace(self._notes, opening=file.digest, kills=kills, boot=self._boot))
        try:
            with _crashes_to(self._folder / CRASH):
                yield
        finally:
            self._write(replace(self._notes, opening="", kills=0))

    def keep(self, file: ModelFile) -> None:
        """The file works: a copy of it is what the service falls back to."""
        self._ended_at = None
        if file.digest == self._notes.good and (self._folder / COPY).is_file():
            return
        try:
            with atomic_path(self._folder / COPY) as temporary:
                temporary.write_bytes(file.content)
        except OSError as error:
            log.warning("no copy of %s is kept to fall back to: %s", file.path, error)
            return
        self._write(replace(self._notes, good=file.digest, path=os.fsdecode(file.path)))

    def last_good(self, path: Path) -> ModelFile | None:
        """The copy of the last file at `path` that worked; None without one."""
        if self._notes.path != os.fsdecode(path):
            return None
        with suppress(OSError, ValueError):
            file = read_model_file(self._folder / COPY)
            if file.digest == self._notes.good:
                return file
        return None

    def _key(self, file: ModelFile) -> str:
        """Another interpreter may bear the same file."""
        return f"{file.digest} {find_runtime()}"

    def _write(self, notes: Notes) -> None:
        self._notes = notes
        try:
            with atomic_path(self._folder / NOTES) as temporary:
                temporary.write_text(json.dumps(asdict(notes), indent=1), encoding="utf-8")
        except OSError as error:
            log.warning("what becomes of model files cannot be noted: %s", error)


def service_history() -> ModelHistory | None:
    """The history of a service of systemd, in its state directory; None for any other run."""
    folder = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return ModelHistory(Path(folder) / FOLDER) if folder else None


def _read(path: Path) -> Notes:
    """The notes on disk; empty ones where there are none or they are damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            values = read_object(file.read(MOST_LETTERS), NOTES)
    except FileNotFoundError:
        return Notes()
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read and is begun anew: %s", path, error)
        return Notes()
    texts = {name: values.get(name, "") for name in ("good", "path", "opening", "boot")}
    refused = values.get("refused")
    kept = refused if isinstance(refused, dict) else {}
    kills = values.get("kills", 0)
    return Notes(
        kills=int(kills) if is_whole(kills, 0, MOST_KILLS) else 0,
        **{name: text if isinstance(text, str) else "" for name, text in texts.items()},
        refused={key: str(reason) for key, reason in kept.items()},
    )


@contextmanager
def _crashes_to(path: Path) -> Iterator[None]:
    """A signal that ends the process within the block is written to a file; else it is empty."""
    try:
        file = path.open("w")
    except OSError:  # which `_write` has told of
        yield
        return
    with file:
        was_enabled = faulthandler.is_enabled()
        faulthandler.enable(file)
        try:
            yield
        finally:
            faulthandler.disable()
            with suppress(OSError, ValueError, RuntimeError, AttributeError):  # stderr may be none
                if was_enabled:
                    faulthandler.enable()


def _crashed(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_size > 0
    return False


def _boot_id() -> str:
    with suppress(OSError):
        return BOOT_ID.read_text(encoding="ascii").strip()
    return "unknown"
