"""Registry of other makers' detector files: a row a family, and the choice of a file's own.

Only imported for such a file, see `edge_runtime.detector.adapters.registry`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.detector.adapters.base import Adapter
from edge_runtime.detector.adapters.families import Family
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.mediapipe import MediaPipeAdapter
from edge_runtime.detector.adapters.operator_threads import safe_threads
from edge_runtime.detector.adapters.post_processed import PostProcessedAdapter
from edge_runtime.detector.adapters.refusals import check_kind, check_runnable, refusal
from edge_runtime.detector.adapters.yolo_end_to_end import YoloEndToEndAdapter
from edge_runtime.detector.adapters.yolo_v5 import YoloV5Adapter
from edge_runtime.detector.adapters.yolo_v8 import YoloV8Adapter
from edge_runtime.detector.flatbuffer import FlatbufferError
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.model_facts import ModelFacts
from edge_runtime.detector.model_file import ModelFile
from edge_runtime.detector.spec import DetectorSpec
from edge_runtime.detector.tflite_metadata import read_metadata
from edge_runtime.detector.trial_run import try_file
from edge_runtime.detector.ultralytics_metadata import read_ultralytics
from edge_runtime.detector.zip_members import read_texts


@dataclass(frozen=True)
class ForeignFamily:
    """Row of the registry: a family of other makers' files.

    Attributes:
        family: its name and description.
        recognizes: whether a file belongs to it, by what the file says.
        create: its adapter. Raises: ValueError for a file that does not fit.
    """

    family: Family
    recognizes: Callable[[ForeignFile], bool]
    create: Callable[[ForeignFile, Network], Adapter]


_ADAPTERS = (
    PostProcessedAdapter,
    MediaPipeAdapter,
    # Rows of six may be those of another YOLO: this one looks at their number first.
    YoloEndToEndAdapter,
    YoloV5Adapter,
    YoloV8Adapter,
)
_FOREIGN = {
    adapter.family.name: ForeignFamily(adapter.family, adapter.recognizes, adapter)
    for adapter in _ADAPTERS
}


def open_foreign(
    file: ModelFile,
    num_threads: int | None,
    family: str | None,
    labels: Path | None,
    spec: DetectorSpec | None,
) -> Adapter:
    """Open a file of another maker, or one exported for others' readers.

    Args:
        family: of FAMILIES; "own" counts as None.
        spec: inside an exported file, which is not tried here; None for another maker's.

    Raises: as `Detector`.
    """
    foreign = read_foreign(file.path, file.content, spec, labels)
    network = Network(file.path, safe_threads(foreign, num_threads), file.content)
    return _choose(foreign, family).create(foreign, network)


def read_foreign(
    path: Path, content: bytes, spec: DetectorSpec | None, labels: Path | None
) -> ForeignFile:
    """All that a file says of itself, tried in a process of its own unless it has a spec.

    Raises: ValueError for a file that is damaged or cannot be run; as `try_file`.
    """
    try:
        facts = ModelFacts(content)
        check_runnable(path, facts)
        metadata = read_metadata(facts.metadata)
    except FlatbufferError as error:
        raise ValueError(
            f"{path}: the file is damaged or truncated ({error}); copy or export it again"
        ) from error
    texts = read_texts(content)
    trial = try_file(path, content) if spec is None else None
    return ForeignFile(path, facts, metadata, texts, read_ultralytics(texts), trial, spec, labels)


def _choose(file: ForeignFile, family: str | None) -> ForeignFamily:
    check_kind(file)
    if family is not None and family in _FOREIGN:
        return _FOREIGN[family]
    for row in _FOREIGN.values():
        if row.recognizes(file):
            return row
    raise refusal(file)
