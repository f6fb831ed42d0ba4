"""Convolutional networks in lamv's engine: how steps are dispatched and seeds mapped does not change what is learned."""

from functools import cache, partial

import jax
import numpy as np
import pytest

from lamv import config as configs
from lamv import models
from lamv.models import Model
from lamv.models.resnet import ResNet
from lamv.rows import expand
from lamv.train.session import Session
from lamv.train.variants import VariantRun

TINY = partial(ResNet, stage_sizes=(1,), stage_widths=(8,), stem_width=4)


@cache
def trained(**changes):
    """Parameters, statistics and all else of two seeds after six steps of a residual network."""
    config = configs.defaults()
    config.steps, config.batch_size, config.seeds, config.eval_batch_size = 6, 16, 2, 100
    config.seed = 1  # with 0, an activation lies so near to zero that rounding decides of its gradient
    config.data.train_size, config.model.name, config.method.name, config.optim.lr = 64, "tiny", "mixup", 0.02
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "tiny", Model(TINY))
        [row] = expand(config, {f"parallel.{name}": value for name, value in changes.items()})
        run = VariantRun(row, Session([row], jax.devices()[:2]))
        run.init()
        run.advance(0, 4)
        run.advance(4, 6)
        return run.arrays()


@pytest.mark.parametrize("changes", [
    {"dispatch": "loop", "replicas": "vmap"}, {"devices": 2, "replicas": "vmap"},
    {"devices": 2, "map": "pmap", "dispatch": "loop"},
], ids=str)  # fmt: skip
def test_the_way_of_running_does_not_change_what_is_learned(changes):
    expected = trained(devices=1, dispatch="step", replicas="loop")
    found = trained(**{"devices": 1, "dispatch": "step", "replicas": "loop"} | changes)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for mine, others in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, others, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_flaxs_layers_fits(monkeypatch):
    """The layers for CPUs and flax's own have variables of the same names and shapes, and compute the same with them."""
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    model = TINY(num_classes=3)
    ours = jax.jit(partial(model.init, train=True))(jax.random.key(0), images)
    outputs = jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))(ours, images)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    flaxs = jax.jit(partial(model.clone().init, train=True))(jax.random.key(0), images)
    assert jax.tree.structure(ours) == jax.tree.structure(flaxs)
    jax.tree.map(np.testing.assert_array_equal, ours, flaxs)
    expected = jax.jit(partial(model.clone().apply, train=True, mutable=["batch_stats"]))(flaxs, images)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), outputs, expected)
