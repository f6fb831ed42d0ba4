"""Residual networks: blocks against numpy, BatchNorm in and out of training and over an axis, compute in bfloat16.

The forward passes are of networks of a few channels on 8x8 images; the real sizes are counted in test_zoo.py.
"""

from functools import partial
from operator import itemgetter
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.models.blocks import BasicBlock, BottleneckBlock, PreActBlock, conv_layer, norm_layer, subsample_and_pad
from lamv.models.resnet import ResNet
from lamv.models.wide_resnet import wide_resnet


def images(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 8, 8, 3)).astype(np.float32)


def forward(model, variables, inputs, *, train):
    """((logits, features), the new BatchNorm statistics)."""
    apply = jax.jit(partial(model.apply, train=train, mutable=["batch_stats"]))
    outputs, updates = apply(variables, inputs)
    return outputs, updates["batch_stats"]


@pytest.fixture(scope="module")
def tiny():
    """A tiny network and its forward pass in training, of a batch whose halves have unlike means and variances."""
    model = ResNet(num_classes=3, stage_sizes=(1, 1), stage_widths=(4, 8), stem_width=4)
    inputs = np.concatenate([images(4), 3 * images(4, seed=1) + 1])
    variables = jax.jit(partial(model.init, train=True))(jax.random.key(0), inputs)
    (logits, features), statistics = forward(model, variables, inputs, train=True)
    return SimpleNamespace(
        model=model, inputs=inputs, variables=variables, logits=logits, features=features, statistics=statistics
    )


def convolve(x, kernel, stride):
    """A cross-correlation padded with k // 2 zeros on every side, in numpy."""
    size = len(kernel)
    height, width = x.shape[1:3]
    pad = size // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    taps = [(row, column) for row in range(size) for column in range(size)]
    same = sum(padded[:, row : row + height, column : column + width] @ kernel[row, column] for row, column in taps)
    return same[:, ::stride, ::stride]


def normalise(x):
    return (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)


def relu(x):
    return np.maximum(x, 0)


def basic_block(x, kernels, stride):
    branch = normalise(convolve(relu(normalise(convolve(x, kernels["conv1"], stride))), kernels["conv2"], 1))
    if "shortcut" in kernels:
        x = normalise(convolve(x, kernels["shortcut"], stride))
    return relu(x + branch)


def bottleneck_block(x, kernels, stride):
    branch = relu(normalise(convolve(x, kernels["conv1"], 1)))
    branch = relu(normalise(convolve(branch, kernels["conv2"], stride)))
    branch = normalise(convolve(branch, kernels["conv3"], 1))
    return relu(normalise(convolve(x, kernels["shortcut"], stride)) + branch)


def preact_block(x, kernels, stride):
    active = relu(normalise(x))
    branch = convolve(relu(normalise(convolve(active, kernels["conv1"], stride))), kernels["conv2"], 1)
    return convolve(active, kernels["shortcut"], stride) + branch


@pytest.mark.parametrize(
    ("block", "reference", "width", "stride"),
    [
        (BasicBlock, basic_block, 3, 1),  # the identity shortcut
        (BasicBlock, basic_block, 5, 2),
        (BottleneckBlock, bottleneck_block, 2, 2),
        (PreActBlock, preact_block, 5, 2),
    ],
)
def test_block_against_numpy(block, reference, width, stride):
    x = images(4)
    module = block(width, stride, conv_layer(jnp.float32), norm_layer(True, None, jnp.float32))
    output, variables = jax.jit(module.init_with_output)(jax.random.key(0), x)
    kernels = {name: np.asarray(layer["kernel"]) for name, layer in variables["params"].items() if "kernel" in layer}
    np.testing.assert_allclose(output, reference(x, kernels, stride), rtol=1e-4, atol=1e-4)


def test_subsample_and_pad_by_hand():
    x = np.arange(32).reshape(1, 4, 4, 2)
    expected = np.zeros((1, 2, 2, 5))
    expected[0, :, :, 0] = [[0, 4], [16, 20]]  # channel 0 of pixels (0, 0), (0, 2), (2, 0), (2, 2)
    expected[0, :, :, 1] = [[1, 5], [17, 21]]
    np.testing.assert_array_equal(subsample_and_pad(x, 5, 2), expected)


def test_padded_shortcut_in_its_block():
    """With the second BatchNorm's scale at 0 the branch vanishes and the block is ReLU of its shortcut."""
    x = images(2)
    module = BasicBlock(5, 2, conv_layer(jnp.float32), norm_layer(True, None, jnp.float32), projection=False)
    variables = jax.jit(module.init)(jax.random.key(0), x)
    variables["params"]["norm2"]["scale"] = jnp.zeros(5)
    output, _ = jax.jit(partial(module.apply, mutable=["batch_stats"]))(variables, x)
    np.testing.assert_array_equal(output[..., :3], relu(x[:, ::2, ::2]))
    np.testing.assert_array_equal(output[..., 3:], 0)


def test_convolutions_begin_kaiming_normal_by_fan_out():
    conv = conv_layer(jnp.float32)(96, name=None)
    kernel = conv.init(jax.random.key(0), jnp.zeros((1, 1, 1, 48)))["params"]["kernel"]
    assert float(kernel.std()) == pytest.approx(np.sqrt(2 / (9 * 96)), rel=0.02)


@pytest.mark.parametrize("options", [{}, {"block": PreActBlock, "preactivation": True}])
def test_features_feed_the_head_exactly_even_in_bfloat16(options):
    model = ResNet(num_classes=3, stage_sizes=(1,), stage_widths=(4,), stem_width=4, dtype=jnp.bfloat16, **options)
    init = jax.jit(partial(model.init_with_output, train=True))
    (logits, features), variables = init(jax.random.key(0), images(2))
    head = variables["params"]["head"]
    assert (features >= 0).all()  # means of ReLUs: the pre-activation network has one after its last block
    np.testing.assert_allclose(logits, features @ head["kernel"] + head["bias"][None], rtol=1e-5, atol=1e-5)


def test_training_updates_the_running_statistics(tiny):
    stem = convolve(tiny.inputs, np.asarray(tiny.variables["params"]["stem"]["kernel"]), 1)
    running = tiny.statistics["stem_norm"]
    np.testing.assert_allclose(running["mean"], 0.1 * stem.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(running["var"], 0.9 + 0.1 * stem.var((0, 1, 2)), rtol=1e-4)


def test_evaluation_uses_the_running_statistics_and_leaves_them(tiny):
    (logits, _), statistics = forward(tiny.model, tiny.variables, tiny.inputs, train=False)
    jax.tree.map(np.testing.assert_array_equal, statistics, tiny.variables["batch_stats"])
    assert np.abs(logits - tiny.logits).max() > 1e-2


def test_bfloat16_computes_roughly_the_same_and_keeps_float32(tiny):
    half = tiny.model.clone(dtype=jnp.bfloat16)
    (logits, features), statistics = forward(half, tiny.variables, tiny.inputs, train=True)
    assert {leaf.dtype for leaf in jax.tree.leaves((logits, features, statistics))} == {jnp.dtype("float32")}
    assert 0 < np.abs(logits - tiny.logits).max() < 0.05 * np.abs(tiny.logits).max()
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0.02, atol=0.02), statistics, tiny.statistics)


def test_batchnorm_over_an_axis_is_batchnorm_of_the_whole_batch(tiny):
    """The shards have unlike statistics, so that a network that used its own would be found out."""
    step = partial(forward, tiny.model.clone(axis_name="data"), tiny.variables, train=True)
    (logits, features), statistics = jax.vmap(step, axis_name="data")(tiny.inputs.reshape(2, 4, 8, 8, 3))
    np.testing.assert_allclose(logits.reshape(8, -1), tiny.logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(features.reshape(8, -1), tiny.features, rtol=1e-4, atol=1e-4)
    for shard in (0, 1):
        of_shard = jax.tree.map(itemgetter(shard), statistics)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), of_shard, tiny.statistics)


def test_wide_resnet_of_another_size():
    model = wide_resnet(10, 2)(num_classes=3)
    assert (model.stage_sizes, model.stage_widths) == ((1, 1, 1), (32, 64, 128))
    with pytest.raises(ValueError, match="depth is 12"):
        wide_resnet(12, 2)
