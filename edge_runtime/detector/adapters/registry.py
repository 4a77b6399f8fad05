"""Registry of the families of detector files, and the choice of the one that a file belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.detector.adapters.base import Adapter, Family
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.mediapipe import MediaPipeAdapter
from edge_runtime.detector.adapters.own import OUTPUTS, OwnAdapter
from edge_runtime.detector.adapters.post_processed import PostProcessedAdapter
from edge_runtime.detector.adapters.refusals import check_runnable, refusal
from edge_runtime.detector.adapters.yolo_end_to_end import YoloEndToEndAdapter
from edge_runtime.detector.adapters.yolo_v5 import YoloV5Adapter
from edge_runtime.detector.adapters.yolo_v8 import YoloV8Adapter
from edge_runtime.detector.flatbuffer import FlatbufferError
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.model_facts import ModelFacts
from edge_runtime.detector.spec import SPEC_MEMBER, DetectorSpec, read_member, read_spec
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
# By the name that `--as` takes.
FAMILIES: dict[str, Family] = {
    OwnAdapter.family.name: OwnAdapter.family,
    **{name: row.family for name, row in _FOREIGN.items()},
}


def open_adapter(
    path: Path, num_threads: int | None, family: str | None, labels: str | Path | None
) -> Adapter:
    """Open a file as the family that it belongs to, or as `family`.

    A file with this project's spec is opened at once; any other is first tried in a process of its
    own.

    Raises: as `Detector`.
    """
    if family is not None and family not in FAMILIES:
        raise ValueError(f"a family of {', '.join(FAMILIES)} expected, got {family!r}")
    spec = _spec(path, family)
    if spec is not None:
        network = Network(path, num_threads)
        if family in (None, OwnAdapter.family.name) and _is_own(network):
            if labels is not None:
                raise ValueError(
                    f"{path} carries the names of its classes; leave out the label file {labels}"
                )
            return OwnAdapter(network, spec)
    content = path.read_bytes()
    file = read_foreign(path, content, spec, None if labels is None else Path(labels))
    row = _choose(file, family)
    return row.create(file, Network(path, num_threads, content) if spec is None else network)


def read_foreign(
    path: Path, content: bytes, spec: DetectorSpec | None, labels: Path | None
) -> ForeignFile:
    """All that a file says of itself, tried in a process of its own unless it has a spec.

    Raises: ValueError for a file that is damaged or cannot be run; as `try_file`.
    """
    if content[4:8] != b"TFL3":
        raise ValueError(
            f"{path} is not a TFLite file; convert a .keras one with `python -m convert`, or copy "
            "the file again"
        )
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


def _spec(path: Path, family: str | None) -> DetectorSpec | None:
    """The spec inside; None for a file of another maker.

    Raises: SpecError for a spec that cannot be used, and without one where `family` asks for it.
    """
    if read_member(path, SPEC_MEMBER) is None and family != OwnAdapter.family.name:
        return None
    return read_spec(path)


def _is_own(network: Network) -> bool:
    """False for a spec'd file that was exported for other readers, whose outputs are others."""
    return bool(set(OUTPUTS) & set(network.outputs)) or len(network.outputs) not in (2, 4)


def _choose(file: ForeignFile, family: str | None) -> ForeignFamily:
    if family is not None and family in _FOREIGN:
        return _FOREIGN[family]
    for row in _FOREIGN.values():
        if row.recognizes(file):
            return row
    raise refusal(file)
