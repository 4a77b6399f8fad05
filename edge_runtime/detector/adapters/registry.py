"""Registry of adapters: a file is opened as what it says it is."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.detector.adapters.base import Adapter
from edge_runtime.detector.adapters.families import FAMILIES, OWN
from edge_runtime.detector.adapters.own import OUTPUTS, OwnAdapter
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.spec import SPEC_MEMBER, DetectorSpec, read_member, read_spec


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
    if spec is not None and family in (None, OWN.name):
        network = Network(path, num_threads)
        if _is_own(network):
            if labels is not None:
                raise ValueError(
                    f"{path} carries the names of its classes; leave out the label file {labels}"
                )
            return OwnAdapter(network, spec)
    # Not above: the other families take as long to import as NumPy, and our files need none of it.
    from edge_runtime.detector.adapters.foreign_registry import open_foreign

    return open_foreign(path, num_threads, family, None if labels is None else Path(labels), spec)


def _spec(path: Path, family: str | None) -> DetectorSpec | None:
    """The spec inside; None for a file of another maker.

    Raises: SpecError for a spec that cannot be used, and without one where `family` asks for it.
    """
    if read_member(path, SPEC_MEMBER) is None and family != OWN.name:
        return None
    return read_spec(path)


def _is_own(network: Network) -> bool:
    """False for a spec'd file that was exported for other readers, whose outputs are others."""
    return bool(set(OUTPUTS) & set(network.outputs)) or len(network.outputs) not in (2, 4)
