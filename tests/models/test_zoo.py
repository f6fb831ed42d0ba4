"""All models by name: sizes, shapes, dtypes and the errors of `build`. Nothing here is compiled."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import pytest

from lamv.errors import ConfigError
from lamv.models import MODELS, build, count_parameters
from lamv.models.classifier import check_ends
from lamv.models.simple import MLP

# With 10 classes and 32x32x3 images; each agrees with the rounded figure of its paper where that has one:
# .27M .46M .66M .85M 1.7M for resnet20 to 110, 36.5M for wide_resnet28_10.
PARAMETERS = {
    "linear": 3072 * 10 + 10,
    "mlp": 3072 * 64 + 64 + 64 * 10 + 10,
    "cnn": (27 * 16 + 16) + (9 * 16 * 32 + 32) + (8 * 8 * 32 * 64 + 64) + (64 * 10 + 10),
    "embedding_bag": 50 * 64 + (64 * 64 + 64) + (64 * 10 + 10),
    # Two blocks of four times E x E with E biases, a dense layer to 2 E and one back, and two norms; a norm; the head.
    "text_transformer": 50 * 64 + 2 * (4 * (64 * 64 + 64) + (64 * 128 + 128) + (128 * 64 + 64) + 4 * 64) + 128 + 650,
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "resnet101": 42_512_970,
    "preact_resnet18": 11_172_170,
    "resnet8": 75_290,  # what each pair of blocks adds from here to resnet20: 97,216
    "resnet14": 172_506,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "wide_resnet28_10": 36_479_194,
}
FEATURES = {"embedding_bag": 64, "text_transformer": 64}
FEATURES |= {
    "linear": 3072,
    "mlp": 64,
    "cnn": 64,
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "resnet101": 2048,
}
FEATURES |= {"preact_resnet18": 512, "wide_resnet28_10": 640} | {f"resnet{d}": 64 for d in (8, 14, 20, 32, 44, 56, 110)}


@cache
def traced(name):
    """Shapes of (outputs, variables). The axis name is bound to nothing: initialising must not need it."""
    model = build(name, num_classes=10, dtype="bfloat16", axis_name="data", num_words=50)
    images = jax.ShapeDtypeStruct((2, 7) if MODELS[name].reads_words else (2, 32, 32, 3), jnp.float32)
    return jax.eval_shape(partial(model.init_with_output, train=True), jax.random.key(0), images)


def convolutional(widths, blocks_per_stage):
    """Parameters of He's CIFAR network, by hand: stem, blocks, head; two parameters a channel of BatchNorm."""
    total = 27 * widths[0] + 2 * widths[0] + widths[-1] * 10 + 10
    before = widths[0]
    for width in widths:
        total += 9 * before * width + (2 * blocks_per_stage - 1) * 9 * width * width + 2 * blocks_per_stage * 2 * width
        before = width
    return total


@pytest.mark.parametrize("name", MODELS)
def test_parameter_count(name):
    _, variables = traced(name)
    assert count_parameters(variables["params"]) == PARAMETERS[name]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_parameter_count_of_cifar_resnets_by_hand(depth):
    assert PARAMETERS[f"resnet{depth}"] == convolutional((16, 32, 64), (depth - 2) // 6)


@pytest.mark.parametrize("name", MODELS)
def test_the_first_and_last_layers_are_what_a_model_declares(name):
    model = build(name, num_classes=10)
    (_, features), variables = traced(name)
    check_ends(name, model, variables["params"], 3072, features.shape[-1])
    assert (model.first is None) == (name not in ("linear", "mlp"))


@pytest.mark.parametrize("declared", [{"last": "readout"}, {"first": "head"}])
def test_a_layer_that_a_model_declares_and_lacks_is_refused(declared):
    model = type("Mine", (MLP,), declared)(num_classes=10)
    (_, features), variables = traced("mlp")
    [(end, layer)] = declared.items()
    with pytest.raises(
        ConfigError, match=f"'mine' declares '{layer}' as its {end} layer.*first, head; set {end} = NAME in Mine"
    ):
        check_ends("mine", model, variables["params"], 3072, features.shape[-1])


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_features_have_their_shapes_and_all_that_is_kept_is_float32(name):
    (logits, features), variables = traced(name)
    assert logits.shape == (2, 10)
    assert features.shape == (2, FEATURES[name])
    assert {leaf.dtype for leaf in jax.tree.leaves((logits, features, variables))} == {jnp.dtype("float32")}


def test_blocks_have_stable_names():
    _, variables = traced("resnet18")
    blocks = {f"stage{stage}_block{index}" for stage in (1, 2, 3, 4) for index in (0, 1)}
    assert set(variables["params"]) == {"stem", "stem_norm", "head"} | blocks
    assert "shortcut" in variables["params"]["stage2_block0"]
    assert "shortcut" not in variables["params"]["stage1_block0"]


def test_small_vector_models_alone_are_vectorised():
    assert {name for name, model in MODELS.items() if model.vectorise} == {
        "linear", "mlp", "embedding_bag", "text_transformer"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet20"])
def test_equal_models_hash_alike_so_that_jit_does_not_compile_twice(name):
    assert build(name, num_classes=3) == build(name, num_classes=3)
    assert hash(build(name, num_classes=3)) == hash(build(name, num_classes=3))
    assert build(name, num_classes=3) != build(name, num_classes=4)


def test_widths_are_passed_on():
    model = build("mlp", num_classes=2, widths=[5, 7])
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 3)), train=True))
    assert count_parameters(variables["params"]) == (3 * 5 + 5) + (5 * 7 + 7) + (7 * 2 + 2)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet19", {}, ["'resnet19'", "linear, mlp, cnn", "did you mean 'resnet18'"]),
        ("vit", {}, ["'vit'", "must be one of"]),
        ("resnet18", {"widths": (8,)}, ["(8,)", "resnet18 has fixed widths", "mlp, cnn"]),
        ("linear", {"widths": ()}, ["linear has fixed widths"]),
        ("mlp", {"widths": (8, 0)}, ["(8, 0)", "at least 1"]),
        ("mlp", {"widths": ()}, ["()", "one or more"]),
        ("cnn", {"widths": (8.5,)}, ["8.5", "whole numbers"]),
        ("cnn", {"widths": 8}, ["8", "one or more"]),
        ("mlp", {"dtype": "float16"}, ["'float16'", "float32, bfloat16", "did you mean"]),
    ],
)
def test_errors_are_one_line_with_the_value_and_what_is_allowed(name, options, words):
    with pytest.raises(ConfigError) as error:
        build(name, num_classes=10, **options)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["cnn", "resnet20"])
def test_convolutional_models_refuse_vectors(name):
    model = build(name, num_classes=2)
    with pytest.raises(ConfigError, match=r"shape \(4, 3\); this model needs images"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((4, 3)), train=True))
