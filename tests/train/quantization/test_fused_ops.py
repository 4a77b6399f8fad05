import pytest

from train.quantization.fused_ops import block_of, group_by_block, select_names

NAMES = [
    "Conv1_relu",
    "block_1_expand_relu",
    "block_1_add",
    "block_10_expand_relu",
    "offsets_8_conv",
    "offsets_16_conv",
    "offsets",
]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("block_1_add", ["block_1_add"]),
        ("block_1", ["block_1_expand_relu", "block_1_add"]),  # and not block_10
        ("block_*_expand_*", ["block_1_expand_relu", "block_10_expand_relu"]),
        ("offsets", ["offsets"]),  # a unit of this very name, and none that begins so
        ("offsets_*", ["offsets_8_conv", "offsets_16_conv"]),
    ],
)
def test_a_name_a_beginning_or_a_glob(pattern, found):
    assert select_names(NAMES, [pattern]) == set(found)


def test_several_patterns_add_up():
    assert select_names(NAMES, ["offsets", "Conv1"]) == {"offsets", "Conv1_relu"}
    assert select_names(NAMES, []) == set()


@pytest.mark.parametrize(
    ("pattern", "near"), [("ofsets", "offsets"), ("blok_10", "block_10"), ("block_1_ad", "_1_add")]
)
def test_what_fits_nothing_is_refused_with_near_names(pattern, near):
    with pytest.raises(ValueError, match=f"no layer is called '{pattern}'.*there are .*{near}"):
        select_names(NAMES, ["offsets", pattern])


def test_nothing_near():
    with pytest.raises(ValueError, match=r"there are Conv1_relu, block_1, .* and others"):
        select_names(NAMES, ["zzz"])


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("block_6_expand_relu", "block_6"),
        ("block_16_project_BN", "block_16"),
        ("Conv1_relu", "Conv1"),
        ("expanded_conv_depthwise_relu", "expanded_conv"),
        ("logits_8_depthwise_relu", "logits_8"),
        ("top_down_16", "top_down_16"),
        ("offsets", "offsets"),
    ],
)
def test_blocks(name, block):
    assert block_of(name) == block


def test_a_blocks_name_means_its_units():
    names = [*NAMES, "a", "a_relu"]  # "a" means the unit: it cannot stand for both
    groups = group_by_block(names)
    assert [name for members in groups.values() for name in members] == names
    assert groups["block_1"] == ["block_1_expand_relu", "block_1_add"]
    assert groups["a"] == ["a"]
    for block, members in groups.items():
        assert select_names(names, [block]) == set(members)
