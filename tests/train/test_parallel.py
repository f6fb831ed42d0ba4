"""The same run on one device and on many, by every mapping, with seeds side by side or apart: the same numbers."""

from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv import config as configs
from lamv import models
from lamv.core.methods import METHODS, knobs_of
from lamv.errors import ConfigError
from lamv.models import Model
from lamv.models.classifier import Classifier
from lamv.rows import expand
from lamv.train import parallel
from lamv.train.session import Session
from lamv.train.variants import VariantRun

STEPS = 15


class NormedNet(Classifier, kw_only=True):
    """The smallest network with BatchNorm, whose statistics have to cross devices."""

    @nn.compact
    def __call__(self, inputs, *, train):
        x = nn.Dense(8, name="first")(inputs)
        x = nn.BatchNorm(use_running_average=not train, axis_name=self.axis_name)(x)
        features = nn.relu(x)
        return nn.Dense(self.num_classes, name="head")(features), features


@pytest.fixture(autouse=True)
def normed_net(monkeypatch):
    monkeypatch.setitem(models.MODELS, "normed", Model(NormedNet, vectorise=True))


def trained(devices: int, **changes):
    """Losses, parameters and test metrics after 15 steps, on that many devices."""
    config = configs.defaults()
    config.steps, config.batch_size, config.seeds, config.eval_batch_size = STEPS, 32, 4, 100
    config.data.train_size, config.data.flatten, config.data.normalise = 256, True, False
    config.data.shortcut.kind = "tag"
    config.model.name = "normed"
    config.method.name, config.method.law = "mixup", "uniform(0, 1)"  # which compiles quickly
    config.optim.lr = 0.05
    [row] = expand(config, {"parallel.devices": devices, **changes})
    run = VariantRun(row, Session([row], jax.devices()[:8]))
    run.init()
    run.advance(0, 10)
    run.advance(10, STEPS)
    return run.take_loss(STEPS), run.arrays(), run.evaluate(["test"])


@pytest.fixture(scope="module")
def on_one_device():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "normed", Model(NormedNet, vectorise=True))
        return trained(1)


@pytest.mark.parametrize(
    ("devices", "changes"),
    [
        (4, {"parallel.map": "pmap"}),
        (8, {"parallel.spread": 2}),
        (2, {"parallel.replicas": "loop", "parallel.dispatch": "step"}),
    ],
    ids=lambda value: value if isinstance(value, int) else ",".join(f"{k.split('.')[1]}={v}" for k, v in value.items()),
)
def test_devices_and_mapping_do_not_change_what_is_learned(on_one_device, devices, changes):
    losses, arrays, metrics = trained(devices, **changes)
    assert_same_run((losses, arrays), on_one_device[:2])
    for found, expected in zip(metrics, on_one_device[2], strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_what_is_compiled_for_a_single_call_has_the_same_bits():
    config = configs.defaults()
    config.steps, config.batch_size, config.model.name = 1, 32, "normed"
    [row] = expand(config, {"parallel.devices": 1})
    run = VariantRun(row, Session([row], jax.devices()[:1]))
    [replicas] = run.replicas
    often = run.layout.mapped(run.program.init, shared=0).lower(replicas.knobs)
    often = often.compile(compiler_options={"xla_backend_optimization_level": 3})
    jax.tree.map(np.testing.assert_array_equal, run.functions.init(replicas.knobs), often(replicas.knobs))


#: Every method with laws that compile quickly. Those that look at layers or at the model's outputs, or double the batch,
#: train the network above; for the others a linear classifier will do.
OF_METHODS = {
    "method.smoothing": 0.1,
    "method.law": "uniform(0, 1)",
    "method.target_law": "uniform(0.5, 1)",
    "method.layers": ("first", "head"),
}
ON_THE_NETWORK = ("instance_smoothing", "online_smoothing", "instance_mixup", "manifold_mixup", "regmixup", "rc_mixup")


def trained_by(method: str, **parallel):
    """Losses and arrays of two seeds after three steps of a method, the third of which sees examples again."""
    config = configs.defaults()
    config.steps, config.batch_size, config.seeds = 3, 16, 2
    config.data.train_size, config.data.flatten, config.data.normalise = 32, True, False
    config.model.name, config.optim.lr = "normed" if method in ON_THE_NETWORK else "linear", 0.05
    changes = {f"parallel.{knob}": value for knob, value in parallel.items()}
    asked = {f"method.{knob}" for knob in knobs_of(METHODS[method])}
    own = {key: value for key, value in OF_METHODS.items() if key in asked}
    [row] = expand(config, {"method.name": method, **own, **changes})
    run = VariantRun(row, session_of(row.config.parallel.devices, row.config.parallel.map))
    run.init()
    run.advance(0, 3)
    return run.take_loss(3), run.arrays()


@cache
def session_of(devices: int, how: str):
    """The data and the compiled functions that the runs of one layout share; what a row is called does not matter."""
    [row] = expand(configs.defaults(), {"steps": 3, "seeds": 2, "batch_size": 16, "parallel.devices": devices,
                                                "parallel.map": how})  # fmt: skip
    return Session([row], jax.devices()[:8])


ALONE = cache(lambda method: trained_by(method, devices=1, replicas="loop"))


#: One for each way in which a method looks at the batch or the model; tests/core/test_pairing.py cuts the batch of every one.
LOOKING = (*ON_THE_NETWORK, "disturb_label", "mixup", "c_mixup", "cutmix")


@pytest.mark.parametrize("method", LOOKING)
def test_no_method_depends_on_devices_or_on_other_seeds(method):
    assert_same_run(trained_by(method, devices=4, replicas="vmap"), ALONE(method))


def test_a_method_that_remembers_outputs_is_the_same_by_pmap():
    assert_same_run(trained_by("instance_smoothing", devices=2, map="pmap"), ALONE("instance_smoothing"))


def assert_same_run(found, expected):
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    assert found[1].keys() == expected[1].keys()
    for name, value in found[1].items():
        np.testing.assert_allclose(value, expected[1][name], rtol=5e-6, atol=2e-6, err_msg=name)


def test_statistics_of_batchnorm_did_move(on_one_device):
    assert not np.allclose(on_one_device[1]["batch_stats.BatchNorm_0.mean"], 0)


def test_seeds_differ_from_each_other(on_one_device):
    first, *others = on_one_device[0]
    assert all(first != other for other in others)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 30}, "batch_size is 30, must be a multiple of the 8 devices"),
        ({"parallel.devices": 9}, "parallel.devices is 9, must be at most 8"),
        ({"parallel.spread": 3}, "parallel.spread is 3, must divide the number of devices, 8"),
        ({"parallel.spread": 8}, "parallel.spread is 8, must divide the number of seeds, 4"),
    ],
)
def test_what_does_not_divide_is_refused_in_one_line(changes, words):
    config = configs.defaults()
    config.steps, config.seeds, config.batch_size = 1, 4, 32
    [row] = expand(config, changes)
    with pytest.raises(ConfigError, match=words) as error:
        parallel.Layout(row.config, row.config.seeds, jax.devices()[:8])
    assert "\n" not in str(error.value)


def test_a_loop_in_pieces_is_the_loop_at_once_bit_for_bit():
    config = configs.defaults()
    config.steps = 1
    [row] = expand(config)
    layout = parallel.Layout(row.config, 1, jax.devices()[:1])

    def body(carry, scale, i):
        return jnp.sin(carry * scale) + jnp.float32(i)

    run = layout.repeated(body, shared=0, compiled_loop=True)
    scale = layout.place(np.float32([1.7]), replicas=True)

    def start():
        return layout.place(np.float32([0.3]), replicas=True)

    pieces = start()
    for first, last in ((0, 1), (1, 7), (7, 20)):
        pieces = run(pieces, scale, first, last)
    np.testing.assert_array_equal(run(start(), scale, 0, 20), pieces)
