"""Registry of adapters: a file is opened as what it says it is."""

from __future__ import annotations

import logging
from pathlib import Path

from edge_runtime.detector.adapters.base import Adapter
from edge_runtime.detector.adapters.families import FAMILIES, OWN
from edge_runtime.detector.adapters.own import OUTPUTS, OwnAdapter
from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER, parse_calibration
from edge_runtime.detector.interpreter import (
    RUNTIME_VERSION_MEMBER,
    Network,
    check_runtime_version,
    find_runtime,
)
from edge_runtime.detector.model_file import ModelFile
from edge_runtime.detector.spec import SPEC_MEMBER, DetectorSpec, parse_spec
from edge_runtime.detector.trial_notes import note_tried, was_tried

log = logging.getLogger(__name__)

_told: set[str] = set()  # digests of files of which it was said that they have no checksums


def open_adapter(
    file: ModelFile, num_threads: int | None, family: str | None, labels: str | Path | None
) -> Adapter:
    """Open a file as the family that it belongs to, or as `family`.

    A file that is new to this machine is first tried in a process of its own; one without
    checksums, and another maker's, always is.

    Raises: as `Detector`.
    """
    if family is not None and family not in FAMILIES:
        raise ValueError(f"a family of {', '.join(FAMILIES)} expected, got {family!r}")
    spec = _spec(file, family)
    if spec is not None:
        check_runtime_version(find_runtime(), file.path, file.text(RUNTIME_VERSION_MEMBER))
        _try(file)
    if spec is not None and family in (None, OWN.name):
        network = Network(file.path, num_threads, file.content)
        if _is_own(network):
            if labels is not None:
                raise ValueError(
                    f"{file.path} carries the names of its classes; leave out the label file "
                    f"{labels}"
                )
            record = parse_calibration(file.path, file.text(CALIBRATION_MEMBER))
            return OwnAdapter(network, spec, record)
    # Not above: the other families take as long to import as NumPy, and our files need none of it.
    from edge_runtime.detector.adapters.foreign_registry import open_foreign

    return open_foreign(file, num_threads, family, None if labels is None else Path(labels), spec)


def _spec(file: ModelFile, family: str | None) -> DetectorSpec | None:
    """The spec inside; None for a file of another maker.

    Raises: SpecError for a spec that cannot be used, and without one where `family` asks for it.
    """
    text = file.text(SPEC_MEMBER)
    return None if text is None and family != OWN.name else parse_spec(file.path, text)


def _try(file: ModelFile) -> None:
    """Try a file of this project in a process of its own where that is due. Raises: ValueError."""
    if file.is_sealed and was_tried(file):
        return
    from edge_runtime.detector.trial_run import try_file  # not above: `subprocess` takes its time

    if file.is_sealed:
        try_file(file.path, file.content)
        note_tried(file)
        return
    if file.digest not in _told:  # of an earlier version: nothing tells whether its bytes are right
        _told.add(file.digest)
        log.warning(
            "%s carries no checksums, so that damage may go unseen; it is tried in a process of "
            "its own first. On the desktop, `python -m convert.checksums FILE` adds them",
            file.path,
        )
    try_file(file.path, file.content)


def _is_own(network: Network) -> bool:
    """False for a spec'd file that was exported for other readers, whose outputs are others."""
    return bool(set(OUTPUTS) & set(network.outputs)) or len(network.outputs) not in (2, 4)
