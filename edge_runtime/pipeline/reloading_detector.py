"""Reloading detector: follows its model file, and loads it anew when it is replaced."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_runtime.detector.detections import Detections
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.latency import (
    Inferred,
    Prepared,
    decode,
    for_people,
    infer,
    prepare,
)
from edge_runtime.detector.model_file import ModelFile, read_model_file
from edge_runtime.detector.trial_run import TrialCrashError, try_file
from edge_runtime.frame import Frame, Result
from edge_runtime.pipeline.model_history import ModelHistory
from edge_runtime.pipeline.snapshot import ModelState
from edge_runtime.system.paths import printable_path

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0


class PreparedFrame(NamedTuple):
    """A frame, and what a detector makes of it for its network."""

    frame: Frame
    detector: Detector
    prepared: Prepared


class InferredFrame(NamedTuple):
    """A frame, and what a detector's network says of it."""

    frame: Frame
    detector: Detector
    inferred: Inferred


class ReloadingDetector:
    """A detector that is loaded again when its file changes.

    `prepare`, `infer` and `decode` may each run in a thread of their own, `infer` in that of
    `refresh`.

    A new file that cannot be used is logged once, and the old detector goes on; in a service, which
    has a history, that holds for its start as well.

    Attributes:
        detector: in use.
    """

    def __init__(
        self,
        load: Callable[[ModelFile], Detector],
        path: str | Path,
        classes: Sequence[str] | None = None,
        history: ModelHistory | None = None,
    ) -> None:
        """Load the detector.

        Args:
            load: makes a detector of a file that was read.
            path: of the model file.
            classes: names to report; None for all.
            history: of the service's model files; None for a run that is no service.

        Raises: as `Detector`; ValueError for classes that the model does not know, and for a file
            that loads but fails at its first image.
        """
        self._load = load
        self._history = history
        self._path = Path(path)
        self._classes = None if classes is None else list(classes)
        self._checked = time.monotonic()
        self._reloads = 0
        self._failures = 0
        self._error: str | None = None
        self._gone = False
        self._seen = self._last = self._stamp()
        self.detector = self._first()

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the input of the detector in use."""
        return self.detector.input_hw

    @property
    def keeps_aspect(self) -> bool:
        """Whether the detector in use wants pictures that are not stretched."""
        return self.detector.keeps_aspect

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names that are reported, in the model's order, each once."""
        names = dict.fromkeys(self.detector.class_names)
        wanted = names if self._classes is None else self._classes
        return tuple(
            name for name in names if name in wanted and name not in self.detector.unused_names
        )

    def prepare(self, frame: Frame) -> PreparedFrame:
        """Preprocess a frame, in any thread, for `detect`."""
        detector = self.detector
        return PreparedFrame(frame, detector, prepare(detector, frame.for_detector))

    def infer(self, frame: Frame | PreparedFrame) -> InferredFrame:
        """Run the network on a frame, for `decode`."""
        if not isinstance(frame, PreparedFrame) or frame.detector is not self.detector:
            # If the model was replaced since it was prepared, the new one may want another input.
            frame = self.prepare(frame.frame if isinstance(frame, PreparedFrame) else frame)
        return InferredFrame(frame.frame, frame.detector, infer(frame.detector, frame.prepared))

    def decode(self, inferred: InferredFrame) -> Result:
        """Detections in a frame; boxes are in pixels of `frame.hw`."""
        frame = inferred.frame
        found, milliseconds = decode(inferred.detector, inferred.inferred, frame.hw)
        age = time.monotonic() - frame.captured_at
        return Result(frame, self._wanted(found), for_people(milliseconds), age)

    def detect(self, frame: Frame | PreparedFrame) -> Result:
        """`infer` and `decode`."""
        return self.decode(self.infer(frame))

    def refresh(self) -> None:
        """Load the file again if it was replaced; checked at most once in CHECK_SECONDS."""
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        stamp = self._stamp()
        # Still growing, or gone for a moment: wait until two looks agree.
        settled, self._last = stamp == self._last, stamp
        if settled:
            self._say_if_gone(stamp is None)
        if stamp is None or stamp == self._seen or not settled:
            return
        self._seen = stamp
        try:
            self.detector = self._loaded(read_model_file(self._path))
        except (OSError, ValueError, ImportError) as error:  # `_loaded` raises nothing else
            self._failures += 1
            self._error = str(error)
            log.error("the new model file is not used, the old one goes on: %s", error)
        else:
            self._reloads += 1
            self._error = None
            log.warning("%s was replaced: the new model is in use", self._path)

    def _say_if_gone(self, gone: bool) -> None:
        if gone and not self._gone:
            log.warning(
                "%s is gone: the model that was loaded goes on; copy the file there again before "
                "the next start",
                self._path,
            )
        self._gone = gone

    def state(self) -> ModelState:
        """Model in use, and what became of new files."""
        return ModelState(
            path=printable_path(self._path),
            classes=self.class_names,
            threads=self.detector.num_threads,
            runtime=str(self.detector.runtime),
            reloads=self._reloads,
            reload_failures=self._failures,
            reload_error=self._error,
            resizer=self.detector.resizer,
        )

    def _first(self) -> Detector:
        """The detector of the start: of the file, or of the last one that worked in this service.

        Raises: what the file is refused for.
        """
        try:
            return self._loaded(read_model_file(self._path))
        except (OSError, ValueError) as error:
            file = None if self._history is None else self._history.last_good(self._path)
            if file is None:
                raise
            try:
                detector = self._loaded(file)
            except (OSError, ValueError, ImportError):
                raise error from None
            self._failures += 1
            self._error = str(error)
            log.error("the last model file that worked is used, a copy at %s: %s", file.path, error)
            return detector

    def _loaded(self, file: ModelFile) -> Detector:
        """A detector of this file that has seen one image.

        Raises: OSError, ValueError, ImportError.
        """
        if self._history is None:
            return self._opened(file)
        self._history.check(file)
        if not self._history.is_good(file):
            # Before it is noted: its end there is not the service's.
            try:
                try_file(file.path, file.content)
            except TrialCrashError as error:
                self._history.refuse(file, str(error))
                raise
        with self._history.opening(file):
            detector = self._opened(file)
        if file.path == self._path:
            self._history.keep(file)
        return detector

    def _opened(self, file: ModelFile) -> Detector:
        try:
            detector = self._load(file)
            # Damage in the middle of a file shows with the first image only.
            detector.detect(np.zeros((*detector.input_hw, 3), np.uint8))
        except (OSError, ValueError, ImportError):
            raise
        except MemoryError as error:
            raise ValueError(
                f"{self._path}: too little memory free to open it; end other programs, or export a "
                "smaller network"
            ) from error
        except Exception as error:  # what interpreters make of damage is many things
            raise ValueError(
                f"{self._path} is damaged ({type(error).__name__}: {error}); copy it again"
            ) from error
        names = detector.class_names
        unknown = [name for name in self._classes or () if name not in names]
        if unknown:
            raise ValueError(
                f"classes of {self._path} expected, got {', '.join(unknown)}; it knows "
                f"{', '.join(names)}"
            )
        return detector

    def _wanted(self, found: Detections) -> Detections:
        if self._classes is None:
            return found
        names = found.class_names
        ids = [number for number, name in enumerate(names) if name in self._classes]
        keep = np.isin(found.class_ids, ids)
        return Detections(found.boxes[keep], found.scores[keep], found.class_ids[keep], names)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
