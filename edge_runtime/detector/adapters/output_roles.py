"""Output roles: which of four outputs has the boxes, the classes, the scores and their number.

Never by their place alone: a converter orders outputs as it likes, and tools differ. The operator
gives boxes, classes, scores, number; TensorFlow 2 reverses them in its signature; suppression by
TensorFlow's own operators gives boxes, scores, classes, number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.model_facts import TensorFacts

# In the order of the operator's outputs.
ROLES = ("boxes", "classes", "scores", "count")
# Roles by the names that makers use, in the signature, the metadata or the graph.
NAMES = {
    **dict.fromkeys(("location", "locations", "detection_boxes", "boxes"), "boxes"),
    **dict.fromkeys(("category", "categories", "detection_classes", "classes"), "classes"),
    **dict.fromkeys(("score", "scores", "detection_scores"), "scores"),
    **dict.fromkeys(("number of detections", "num_detections", "num_boxes", "count"), "count"),
    **{"output_0": "count", "output_1": "scores", "output_2": "classes", "output_3": "boxes"},
}


def find_roles(file: ForeignFile) -> dict[str, int]:
    """Role → number of the tensor.

    By the operator that makes them, whose outputs have one order; by their names; by the values
    that they had in the trial; and where the operator's outputs went through others, by the numbers
    in their names.

    Raises: ValueError where none of it tells.
    """
    made = by_operator(file)
    if made is not None:
        return made
    roles, shapes = by_name(file), by_shape(file.outputs)
    if roles is not None:
        return (shapes and _corrected(file, roles, shapes)) or roles
    if shapes is not None:
        for roles in (_by_value(file, shapes), _by_number(file, shapes)):
            if roles is not None and _fits(roles, shapes):
                return roles
    listed = ", ".join(map(str, file.outputs))
    raise ValueError(
        f"{file.path}: boxes [1, K, 4], classes [1, K], scores [1, K] and their number [1] "
        "expected as the only outputs, or told apart by the operator or their names, found "
        f"{len(file.outputs)} outputs, {listed}; export it again with a signature output_0 "
        "(number), output_1 (scores), output_2 (classes), output_3 (boxes)"
    )


def by_shape(outputs: tuple[TensorFacts, ...]) -> dict[str, list[int]] | None:
    """ "boxes", "count" and "rows" (classes and scores) → numbers of tensors of such a shape.

    Sides of 1 say nothing: some converters drop the batch, others leave one more. None unless
    there are these four and no others.
    """
    found: dict[str, list[int]] = {"boxes": [], "rows": [], "count": []}
    if len(outputs) != len(ROLES) or any(-1 in output.shape for output in outputs):
        return None
    rows = sorted(math.prod(output.shape) for output in outputs)[1]  # the number is but one
    for output in outputs:
        size, shape = math.prod(output.shape), output.shape
        if len(shape) > 1 and shape[-1] == 4 and size == 4 * rows:
            found["boxes"].append(output.index)
        elif size == 1 and (rows > 1 or len(shape) < 2):
            found["count"].append(output.index)
        elif size == rows and rows in shape:
            found["rows"].append(output.index)
    counts = {kind: len(indices) for kind, indices in found.items()}
    return found if counts == {"boxes": 1, "rows": 2, "count": 1} else None


def _fits(roles: Mapping[str, int], shapes: Mapping[str, list[int]]) -> bool:
    return (
        [roles["boxes"]] == shapes["boxes"]
        and [roles["count"]] == shapes["count"]
        and {roles["classes"], roles["scores"]} == set(shapes["rows"])
    )


def by_operator(file: ForeignFile) -> dict[str, int] | None:
    operator = file.facts.post_process
    indices = {output.index for output in file.outputs}
    if operator is None or len(operator.outputs) != 4 or not set(operator.outputs) <= indices:
        return None
    return dict(zip(ROLES, operator.outputs, strict=True))


def by_name(file: ForeignFile) -> dict[str, int] | None:
    """Where four outputs have the names and the shapes; there may be others besides."""
    named = {}
    for output in file.outputs:
        words = (name.lower().split(":")[0] for name in file.names_of(output))
        role = next((NAMES[word] for word in words if word in NAMES), None)
        if role is not None:
            named[role] = output
    shapes = by_shape(tuple(named.values()))
    roles = {role: output.index for role, output in named.items()}
    fits = len(roles) == len(ROLES) and shapes is not None and _fits(roles, shapes)
    return roles if fits else None


def _by_number(file: ForeignFile, shapes: Mapping[str, list[int]]) -> dict[str, int] | None:
    """By the number at the end of their names, in one of the two orders that converters use.

    StatefulPartitionedCall:31 to :34 are boxes, classes, scores and count as the operator has
    them; :0 to :3 are count, scores, classes and boxes, reversed by TensorFlow 2's signature. None
    without the operator: other ways to suppress put the scores before the classes.
    """
    if file.facts.post_process is None:
        return None
    outputs = file.outputs
    numbers = [re.search(r"(\d+)$", output.name) for output in outputs]
    keys = [int(match[1]) if match else 0 for match in numbers]
    if len(set(keys)) < len(keys):
        return None
    ordered = [outputs[place].index for place in np.argsort(keys)]
    if ordered[0] in shapes["boxes"] and ordered[-1] in shapes["count"]:
        return dict(zip(ROLES, ordered, strict=True))
    if ordered[0] in shapes["count"] and ordered[-1] in shapes["boxes"]:
        return dict(zip(ROLES, reversed(ordered), strict=True))
    return None


def _corrected(
    file: ForeignFile, roles: Mapping[str, int], shapes: Mapping[str, list[int]]
) -> dict[str, int] | None:
    """Roles by the values where they say the reverse of a name: output_1 and output_2 are numbers
    that a converter gives to whatever comes first. None where they do not."""
    found = _by_value(file, shapes)
    if file.trial is None or found is None or found["classes"] != roles["scores"]:
        return None
    return found if file.trial.outputs[found["classes"]].high >= 1 else None


def _by_value(file: ForeignFile, shapes: Mapping[str, list[int]]) -> dict[str, int] | None:
    """Classes are whole numbers, scores lie in [0, 1]; both at once tell nothing."""
    if file.trial is None:
        return None
    (boxes,), (count,), (one, other) = shapes["boxes"], shapes["count"], shapes["rows"]
    for classes, scores in ((one, other), (other, one)):
        named, scored = file.trial.outputs[classes], file.trial.outputs[scores]
        in_range = scored.low >= 0 and scored.high <= 1
        if named.whole and in_range and (not scored.whole or named.high > 1):
            return {"boxes": boxes, "classes": classes, "scores": scores, "count": count}
    return None
