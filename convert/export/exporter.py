"""Exporter: a checked file of ours becomes its forms, each run once before it counts.

The net inside stays as it is, bit for bit: operators are added in front of it and behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert.export.forms import DEFAULTS, MEDIAPIPE, Form, Thresholds, targets
from convert.export.graph import GraphEditor
from convert.export.labels import label_map, write_label_map
from convert.export.metadata import build_metadata
from convert.export.operators import add_offsets, add_postprocess, add_scores, add_uint8_input
from convert.export.source import Source
from convert.runtime_versions import minimum_runtime
from convert.variants import EXPORT_MEMBER
from convert.verify import read_model
from edge_runtime.detector.interpreter import RUNTIME_VERSION_MEMBER, find_runtime
from edge_runtime.detector.metadata_slots import METADATA_BUFFER
from edge_runtime.detector.spec import embed
from edge_runtime.media.atomic import atomic_path
from train.captured_output import captured_output


def export(
    source: Source,
    forms: Sequence[Form],
    folder: Path,
    thresholds: Thresholds = DEFAULTS,
) -> list[Path]:
    """Write the forms of a file, and a label map for their readers, into a folder.

    Each is run once before it takes its place; what was there under its name is replaced.

    Returns: the files, as `targets` lists them.
    Raises: ValueError for class names that readers would misread, or a file that does not run;
        ImportError without an interpreter; OSError.
    """
    paths = targets(source.path, forms, folder)
    label_map(source.spec.class_names)  # before anything is written
    for form, path in zip(forms, paths, strict=False):
        content = build(source, form, thresholds)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
            _embed(temporary, source, form)
            check_runs(temporary, form, source)
    if len(paths) > len(forms):
        write_label_map(paths[-1], source.spec.class_names)
    return paths


def build(source: Source, form: Form, thresholds: Thresholds) -> bytes:
    """The flatbuffer of a form, without the spec and the labels."""
    graph, spec = GraphEditor(source.read()), source.spec
    add_uint8_input(graph, spec)
    if form is MEDIAPIPE:
        location = add_offsets(graph, "location")
        outputs = {"location": location, "score": add_scores(graph, "score")}
    else:
        offsets, scores = add_offsets(graph, "offsets_float"), add_scores(graph, "scores")
        boxes, classes, found, count = add_postprocess(
            graph, spec, offsets, scores, thresholds, form.gaps
        )
        # Frigate and others go by position; pycoral by these names.
        outputs = {"output_3": boxes, "output_2": classes, "output_1": found, "output_0": count}
    graph.replace_outputs(outputs)
    graph.add_metadata(METADATA_BUFFER, build_metadata(spec, form))
    return graph.to_bytes()


def _embed(path: Path, source: Source, form: Form) -> None:
    """Add spec, labels and the source's own members; stored, not deflated: MediaPipe wants that."""
    runtime = minimum_runtime(read_model(path))
    own = {RUNTIME_VERSION_MEMBER: runtime, EXPORT_MEMBER: form.name}
    embed(path, source.spec, source.members | own)


def check_runs(path: Path, form: Form, source: Source) -> None:
    """Run the file once on a grey picture.

    Raises: ValueError where it does not run, or its outputs are not those of the form.
    """
    grey = np.full((1, *source.spec.input_hw, 3), 128, np.uint8)
    try:
        with captured_output():  # the interpreter has a greeting
            found = _run_once(path, grey)
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ValueError(
            f"{source.path}: exported as {form.name} it does not run ({text}); convert again with "
            "`python -m convert`, or export another variant"
        ) from error
    if len(found) != len(form.tensors) or not all(np.isfinite(array).all() for array in found):
        raise ValueError(
            f"{source.path}: exported as {form.name}, {len(form.tensors)} outputs of finite "
            f"numbers expected, got {[array.shape for array in found]}; convert again"
        )


def _run_once(path: Path, image: np.ndarray) -> list[np.ndarray]:
    """The outputs for one input tensor, in the file's order."""
    interpreter = find_runtime().interpreter_class(model_content=path.read_bytes())
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
