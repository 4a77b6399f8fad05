import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from convert import pipeline
from convert.runtime_versions import minimum_runtime, operator_name, too_new
from convert.variants import VARIANTS
from convert.verify import find_problems, read_model
from edge_runtime.detector.spec import DetectorSpec, embed
from tests.convert.fixtures import SPEC, converted_fixture, frames_fixture, keras_path_fixture  # noqa: F401

pytestmark = pytest.mark.slow


def operators(model, name):
    graph = model.subgraphs[0]
    return [o for o in graph.operators if operator_name(model.operatorCodes[o.opcodeIndex]) == name]


def weights(model, name):
    return model.subgraphs[0].tensors[operators(model, name)[0].inputs[1]]


def output(model, name):
    return next(o for o in model.signatureDefs[0].outputs if o.name == name)


def per_tensor(model):
    quantization = weights(model, "DEPTHWISE_CONV_2D").quantization
    quantization.scale, quantization.zeroPoint = quantization.scale[:1], quantization.zeroPoint[:1]


def float_tensor(model):
    index = operators(model, "CONCATENATION")[0].inputs[0]
    model.subgraphs[0].tensors[index].type = schema.TensorType.FLOAT32
    model.subgraphs[0].tensors[index].name = b"the_float_one"


def float_weights(model):
    weights(model, "CONV_2D").type = schema.TensorType.FLOAT32


def bright_input(model):
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].quantization.scale = [1 / 256]


def shifted_input(model):
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].quantization.zeroPoint = [5]


def float_input(model):
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].type = schema.TensorType.FLOAT32


def new_operator(model):
    code = next(c for c in model.operatorCodes if operator_name(c) == "CONV_2D")
    code.version = 8


def unknown_operator(model):
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.STABLEHLO_ADD
    model.operatorCodes[0].deprecatedBuiltinCode = 127


def renamed_output(model):
    output(model, b"offsets").name = b"boxes"


def no_signature(model):
    model.signatureDefs = []


def swapped_outputs(model):
    logits, offsets = output(model, b"logits"), output(model, b"offsets")
    logits.tensorIndex, offsets.tensorIndex = offsets.tensorIndex, logits.tensorIndex


def edited(path, tmp_path, edit, spec=SPEC):
    """A copy of a file with its flatbuffer changed."""
    model = read_model(path)
    edit(model)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    copy = tmp_path / "edited.tflite"
    copy.write_bytes(bytes(builder.Output()))
    embed(copy, spec)
    return copy


def test_an_unchanged_copy_is_sound(converted, tmp_path):
    assert find_problems(edited(converted["int8"], tmp_path, lambda model: None), "int8") == []


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (per_tensor, "of DEPTHWISE_CONV_2D: a scale for each of 6 channels expected, got 1"),
        (float_tensor, "no float tensor expected, got the_float_one"),
        (float_tensor, "no operator on float numbers expected, got RESHAPE, CONCATENATION"),
        (float_weights, "of CONV_2D: type INT8 expected, got FLOAT32"),
        (bright_input, "scale 0.0078125 and zero point 0, expected, got (0.00390625, 0)"),
        (shifted_input, "expected, got (0.0078125, 5)"),
        (float_input, "input: type INT8 expected, got FLOAT32"),
        (new_operator, "operator CONV_2D version 8 (from TensorFlow 2.15.0)"),
        (unknown_operator, "operator STABLEHLO_ADD version"),
        (renamed_output, "logits and offsets expected, got ['boxes', 'input', 'logits']"),
        (no_signature, "one signature on one subgraph expected, got 0 on 1"),
        (swapped_outputs, "logits: shape (1, 20, 3) expected by the spec, got (1, 20, 4)"),
    ],
)
def test_each_failure_is_named(converted, tmp_path, edit, message):
    problems = find_problems(edited(converted["int8"], tmp_path, edit), "int8")
    assert message in "\n".join(problems)


def test_every_row_names_a_function_and_its_own_file():
    for name, variant in VARIANTS.items():
        assert variant.name == name
        assert callable(getattr(pipeline, variant.made_by))
    assert len({variant.made_by for variant in VARIANTS.values()}) == len(VARIANTS)


def test_wrong_variant_is_named(converted):
    assert "input: type INT8 expected, got FLOAT32" in find_problems(converted["float32"], "int8")
    assert "logits: type FLOAT32 expected, got INT8" in find_problems(converted["int8"], "dynamic")


def test_spec_of_other_anchors(converted, tmp_path):
    other = DetectorSpec(SPEC.input_hw, SPEC.class_names, SPEC.levels[:1])
    copy = edited(converted["int8"], tmp_path, lambda model: None, other)
    expected = "offsets: shape (1, 16, 4) expected by the spec, got (1, 20, 4)"
    assert expected in find_problems(copy, "int8")


def test_file_without_spec(converted, tmp_path):
    bare = tmp_path / "bare.tflite"
    data = converted["int8"].read_bytes()
    bare.write_bytes(data[: data.index(b"PK\x03\x04")])
    (problem,) = find_problems(bare, "int8")
    assert "detector_spec.json expected, found none" in problem


def test_file_that_is_no_tflite(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"not a model at all")
    embed(path, SPEC)
    (problem,) = find_problems(path, "int8")
    assert "a TFLite file expected" in problem


def test_model_that_the_device_cannot_run(converted, tmp_path):
    def cut_weights(model):
        buffer = model.buffers[weights(model, "CONV_2D").buffer]
        buffer.data = np.asarray(buffer.data)[:7]

    (problem,) = find_problems(edited(converted["int8"], tmp_path, cut_weights), "int8")
    assert "the device's detector does not run it" in problem


def test_minimum_runtime_is_the_larger_of_both_sources(converted):
    model = read_model(converted["int8"])
    assert minimum_runtime(model) == "1.14.0"
    note = next(entry for entry in model.metadata if entry.name == b"min_runtime_version")
    model.buffers[note.buffer].data = np.frombuffer(b"2.9.1\0\0\0", np.uint8)
    assert minimum_runtime(model) == "2.9.1"  # what the converter knows and the table does not
    model.buffers[note.buffer].data = np.frombuffer(b"\xff\0", np.uint8)
    assert minimum_runtime(model) == "1.14.0"
    new_operator(model)
    assert minimum_runtime(model) == "2.15.0"  # 2.9 < 2.15: compared as numbers
    assert len(too_new(model)) == 1
