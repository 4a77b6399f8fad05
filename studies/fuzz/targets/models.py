"""Model files: ours with and without checksums, with new ones after the damage, and a public one.

As a run opens them: what has no checksums that hold is tried in a process of its own first. Here
that process is forked, which is a hundred times as fast; the work in it is the same.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.detector import trial_run, trial_worker
from edge_runtime.detector.checksums import CHECKSUMS_MEMBER, make_checksums
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.interpreter import find_runtime
from edge_runtime.detector.model_file import read_model_file
from edge_runtime.detector.spec import SPEC_MEMBER, DetectorSpec, SpecError, write_member
from edge_runtime.detector.zip_members import read_members
from edge_runtime.media.images import read_image
from studies.fuzz.child import fork_for
from studies.fuzz.mutation import from_json, mutants
from studies.fuzz.targets.base import NotHereError, Target

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

ROOT = Path(__file__).parents[3]
OURS = ROOT / "models" / "digits_int8.tflite"
PICTURE = ROOT / "docs" / "detections.jpg"
PUBLIC = "coco_ssd_mobilenet_v1_quant.tflite"  # of the folder that MODELS_DIR names
TRIAL_SECONDS = 4  # of the processor
HOT = 1 << 16  # bytes at both ends of a network, where its tables are


@cache
def sealed() -> bytes:
    return OURS.read_bytes()


@cache
def unsealed() -> bytes:
    """As an earlier version wrote it."""
    return _packed(_network(sealed()), seal=False)


@cache
def public() -> bytes:
    path = Path(os.environ.get("MODELS_DIR", "."), PUBLIC)
    if not path.is_file():
        raise NotHereError(f"MODELS_DIR names no folder with {PUBLIC}")
    return path.read_bytes()


def _network(content: bytes) -> bytes:
    return content[: read_members(content).front]


def _packed(network: bytes, seal: bool, spec: bytes | None = None) -> bytes:
    """A network with the members of OURS behind it."""
    members = dict(read_members(sealed()).contents)
    del members[CHECKSUMS_MEMBER]
    members[SPEC_MEMBER] = members[SPEC_MEMBER] if spec is None else spec
    if seal:
        members[CHECKSUMS_MEMBER] = make_checksums(network, members).encode()
    buffer = io.BytesIO()
    buffer.write(network)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, data in members.items():
            write_member(archive, name, data)
    return buffer.getvalue()


def _hot(content: bytes) -> list[tuple[int, int]]:
    front = read_members(content).front
    return [
        (0, HOT),
        (front - HOT, front),
        *([(front, len(content))] if front < len(content) else []),
    ]


def prepare(base: Callable[[], bytes]) -> None:
    find_runtime()
    base()  # here, not in the fork: what is missing is said
    _picture()
    trial_run._run = _forked_trial
    text, _ = fork_for(lambda: json.dumps(_detections(base())), trial_run.TRIAL_SECONDS)
    _expected[base] = json.loads(text or "null")


@cache
def _picture() -> np.ndarray:
    return read_image(PICTURE)


def _forked_trial(path: str | Path, content: bytes) -> trial_run.Trial:
    """As `trial_run` does, but for the start of Python."""

    def work() -> str:
        trial_worker.limit(TRIAL_SECONDS)
        return json.dumps(trial_worker.answer(str(path), content))

    text, status = fork_for(work, trial_run.TRIAL_SECONDS)
    return trial_run.read_answer(path, (text or "").encode(), status)


def attempt(base: Callable[[], bytes], careful: bool, data: bytes) -> str:
    """Open a file and look at a picture.

    careful: whether it is tried in a process of its own even if its checksums hold, as a run does
        with a file that replaces another.
    """
    with tempfile.NamedTemporaryFile(suffix=".tflite") as temporary:
        temporary.write(data)
        temporary.flush()
        path = Path(temporary.name)
        try:
            file = read_model_file(path)
            if careful:
                trial_run.try_file(path, file.content)
            found = Detector(path, 1, file=file).detect(_picture())
        except (ValueError, ImportError) as error:
            assert str(path) in str(error), f"the file is not named: {error}"
            return _refusal(error)
    if data == base():
        return "unchanged"
    same = found.to_dicts() == _expected[base]
    assert same or not file.is_sealed or careful, "checksums hold, and detections are others"
    return "same detections" if same else "other detections"


def _refusal(error: Exception) -> str:
    if isinstance(error, trial_run.TrialCrashError):
        return "refused, ended its trial"
    text = str(error)
    if "in a process of its own" in text:
        return "refused, no end or memory in its trial"
    return "refused, named as damaged" if "damaged" in text else "refused for another reason"


_expected: dict[Callable[[], bytes], list[dict[str, Any]]] = {}  # what each file finds whole


def _detections(content: bytes) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile(suffix=".tflite") as temporary:
        temporary.write(content)
        temporary.flush()
        return Detector(temporary.name, 1).detect(_picture()).to_dicts()


def resealed_mutants() -> SearchStrategy[bytes]:
    network = _network(sealed())
    hot = [(0, HOT), (len(network) - HOT, len(network))]
    return mutants(network, hot).map(lambda changed: _packed(changed, seal=True))


def attempt_spec(data: bytes) -> str:
    """Read a spec, and open the file if it is one."""
    try:
        spec = DetectorSpec.from_json(data.decode("utf-8", "replace"))
    except SpecError as error:
        assert len(str(error)) < 1000, "a message of that length is no message"
        return "refused as a spec"
    if spec == DetectorSpec.from_json(read_members(sealed()).text(SPEC_MEMBER) or ""):
        return "unchanged"
    outcome = attempt(sealed, False, _packed(_network(sealed()), seal=True, spec=data))
    return f"a spec, {outcome}"


def specs() -> SearchStrategy[bytes]:
    """The spec of OURS with fields of any JSON, and numbers beyond every range."""
    from hypothesis import strategies as st

    whole = json.loads(read_members(sealed()).text(SPEC_MEMBER) or "")
    number = st.one_of(
        st.sampled_from((0, -1, 1e300, 1e-300, 10**9, 2**63, 10**400, float("nan"), float("inf"))),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.integers(1, 4096),
    )
    leaf = st.one_of(number, st.none(), st.booleans(), st.text(max_size=8))
    anything = st.recursive(
        leaf, lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=8), part)
    )
    level = st.fixed_dictionaries(
        {
            "stride": st.sampled_from((1, 2, 8, 16, 32, 64)) | anything,
            "sizes": st.lists(st.floats(0.01, 2), min_size=1, max_size=70) | anything,
            "aspect_ratios": st.lists(st.floats(0.1, 9), min_size=1, max_size=70) | anything,
        }
    )
    fields = {
        "input_hw": st.lists(number, min_size=2, max_size=2),
        "class_names": st.lists(st.text(max_size=5), max_size=200),
        "levels": st.lists(level, max_size=20),
        "variances": st.lists(number, min_size=2, max_size=2),
        "pixel_mean": number,
        "pixel_scale": number,
    }
    changes = st.dictionaries(st.sampled_from(sorted(whole)), anything, max_size=1)
    known = st.one_of(*(st.fixed_dictionaries({name: value}) for name, value in fields.items()))
    texts = st.tuples(changes, known).map(lambda two: json.dumps({**whole, **two[0], **two[1]}))
    return texts.map(str.encode) | mutants(json.dumps(whole).encode())


def _target(name: str, about: str, base: Callable[[], bytes], careful: bool = False) -> Target:
    return Target(
        name,
        about,
        partial(attempt, base, careful),
        lambda: mutants(base(), _hot(base())),
        partial(prepare, base),
        lambda text: from_json(base(), text),
    )


TARGETS = (
    _target("sealed-model", "our file, checksums as they were", sealed),
    _target("model", "our file of an earlier version, without checksums", unsealed),
    Target(
        "resealed-model",
        "our file, checksums made anew over the damage, in place of a running one",
        partial(attempt, sealed, True),
        resealed_mutants,
        partial(prepare, sealed),
        lambda text: _packed(from_json(_network(sealed()), text), seal=True),
    ),
    _target("public-model", f"another maker's file, {PUBLIC}", public),
    Target("spec", "our file with another spec", attempt_spec, specs, partial(prepare, sealed)),
)
