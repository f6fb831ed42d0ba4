"""One training step: the order of an epoch, the learning rate, weight decay, and a golden run of three steps."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lamv import config as configs
from lamv.core import batch
from lamv.core.mixing import draw_lam, draw_partner
from lamv.data.resident import examples_of, plan
from lamv.data.splits import Normalisation, Split, Splits
from lamv.train import parallel
from lamv.train.step import CUE, DATA_AXIS, MIX, Program, batch_places, knobs_of, root_key, schedule, step_key

#: Ten images of 2 x 2 pixels in 17 grey levels, three classes, with the training set for a test set.
IMAGES = (np.arange(40) * 37 % 17).astype(np.uint8).reshape(10, 2, 2, 1)
TARGETS = (np.arange(10) % 3).astype(np.int32)
PART = Split(IMAGES, TARGETS, np.arange(10))
SPLITS = Splits("tiny", {"train": PART, "test": PART}, ("a", "b", "c"), Normalisation(16.0, (0.4,), (0.3,)))

GOLDEN = {
    "seed": 5,
    "steps": 3,
    "batch_size": 4,
    "data.flatten": True,
    "data.shortcut.kind": "tag",
    "data.shortcut.strength": 0.5,
    "data.shortcut.noise": 0.1,
    "method.name": "mixup",
    "method.alpha": 0.8,
    "model.name": "linear",
    "optim.lr": 0.2,
    "optim.weight_decay": 0.03,
    "optim.momentum": 0.9,
    "optim.warmup": 1,
}
PLAIN = {"data.flatten": True, "model.name": "linear", "steps": 3, "batch_size": 4}


def config_of(knobs):
    (row,) = configs.expand(configs.defaults(), knobs)
    return row.config


class Run:
    """A program on the tiny data, on one device, for a few seeds."""

    def __init__(self, knobs, seeds=None, compiled_loop=True):
        self.config = config_of(knobs)
        seeds = [self.config.seed] if seeds is None else seeds
        self.plan = plan(SPLITS, [self.config] * len(seeds), seeds)
        self.program = Program(self.config, self.plan, self.config.steps)
        self.knobs = self.knobs_of(self.config, seeds)
        self.traces = 0
        layout = parallel.Layout(self.config, len(seeds), jax.devices()[:1])
        self.init = layout.mapped(self.program.init, shared=0)
        self._steps = layout.repeated(self._step, shared=1, compiled_loop=compiled_loop)

    def _step(self, *arguments):
        self.traces += 1
        return self.program.step(*arguments)

    @staticmethod
    def knobs_of(config, seeds):
        return jax.tree.map(lambda *values: np.stack(values), *(knobs_of(config, seed) for seed in seeds))

    def start(self):
        """The state, on the host, before the first step."""
        return jax.tree.map(np.asarray, self.init(self.knobs))

    def advance(self, *bounds, knobs=None):
        """The state, on the host, after the steps from each bound to the next."""
        knobs = self.knobs if knobs is None else knobs
        state = self.init(knobs)
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            state = self._steps(state, knobs, self.plan.train, examples_of(SPLITS), start, stop)
        return jax.tree.map(np.asarray, state)


def layer(state):
    """Kernel and bias of the first replica of a linear model."""
    return state.params["first"]["kernel"][0], state.params["first"]["bias"][0]


# The learning rate


@pytest.mark.parametrize(
    "knobs, expected",
    [
        ({"schedule": "constant"}, {0: 1, 5: 1, 10: 1}),
        ({"schedule": "constant", "warmup": 4}, {0: 0.25, 1: 0.5, 3: 1, 4: 1, 10: 1}),
        ({"schedule": "cosine"}, {0: 1, 5: 0.5, 10: 0, 11: 0}),
        ({"schedule": "cosine", "warmup": 2}, {0: 0.5, 1: 1, 2: 1, 6: 0.5, 10: 0}),
        ({"schedule": "step"}, {0: 1, 4: 1, 5: 0.1, 7: 0.1, 8: 0.01, 10: 0.01}),
        ({"schedule": "step", "milestones": (0.3,), "gamma": 0.5, "warmup": 2}, {0: 0.5, 1: 1, 2: 1, 3: 0.5, 9: 0.5}),
        ({"schedule": "step", "milestones": ()}, {0: 1, 9: 1}),
        ({"schedule": "cosine", "warmup": 20}, {0: 0.05, 9: 0.5}),
    ],
)
def test_schedule_by_hand(knobs, expected):
    optim = config_of({"steps": 10} | {f"optim.{key}": value for key, value in knobs.items()}).optim
    shape = jax.jit(schedule(optim, 10))
    found = {t: float(shape(jnp.int32(t))) for t in expected}
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-7)


# The order of the examples


def epochs_of(seed, number, batch_size, epochs):
    """(epochs, batches, batch_size) places."""
    per_epoch = number // batch_size
    places = places_of(jax.random.key(seed), jnp.arange(epochs * per_epoch), number, batch_size)
    return np.asarray(places).reshape(epochs, per_epoch, batch_size)


@partial(jax.jit, static_argnames=("number", "batch_size"))
def places_of(key, steps, number, batch_size):
    return jax.vmap(lambda t: batch_places(key, t, batch.whole(batch_size), number))(steps)


@pytest.mark.parametrize("number, batch_size", [(12, 4), (14, 4), (7, 7), (9, 5), (100, 1)])
def test_an_epoch_visits_different_examples(number, batch_size):
    for epoch in epochs_of(0, number, batch_size, epochs=4):
        assert len(np.unique(epoch)) == number // batch_size * batch_size, "an example came twice in an epoch"
        assert epoch.min() >= 0 and epoch.max() < number


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = np.concatenate([epochs_of(seed, 40, 8, epochs=5) for seed in range(5)])
    assert len(np.unique(orders.reshape(25, -1), axis=0)) == 25


def test_what_is_left_out_of_an_epoch_differs_between_epochs():
    visited = epochs_of(0, 11, 4, epochs=20).reshape(20, -1)
    assert len(np.unique(visited)) == 11, "every example must have its turn"


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_slices_of_the_devices_make_up_the_batch(parts):
    key = jax.random.key(1)

    def on_a_device(_):
        return batch_places(key, 5, batch.part(8, DATA_AXIS), 30)

    slices = jax.jit(jax.vmap(on_a_device, axis_name=DATA_AXIS))(jnp.arange(parts))
    np.testing.assert_array_equal(slices.reshape(8), places_of(key, jnp.array([5]), 30, 8)[0])


# Weight decay


def test_decay_pulls_on_kernels_only():
    """First steps, where all of it can be told from the step without decay: sgd moves by lr x gradient."""
    lr, decay = 0.05, 0.3
    optim = {"optim.lr": lr, "optim.schedule": "constant"}
    without = Run(PLAIN | optim)
    free = without.advance(0, 1)
    (kernel, _), (free_kernel, free_bias) = layer(without.start()), layer(free)
    gradient = (kernel - free_kernel) / lr
    for how in ("penalty", "decoupled"):
        state = Run(PLAIN | optim | {"optim.weight_decay": decay, "optim.decay": how}).advance(0, 1)
        found_kernel, found_bias = layer(state)
        np.testing.assert_allclose(found_kernel, kernel - lr * (gradient + decay * kernel), atol=1e-6, err_msg=how)
        np.testing.assert_allclose(found_bias, free_bias, atol=1e-7, err_msg=f"{how}: a bias must not decay")
        np.testing.assert_allclose(state.loss_sum, free.loss_sum, rtol=1e-6, err_msg="the penalty is in no logged loss")

    # Adam's first step is lr x sign(gradient), whatever its size: a penalty is in the gradient, decoupled decay is not.
    expected = {
        "penalty": kernel - lr * np.sign(gradient + decay * kernel),
        "decoupled": kernel - lr * (np.sign(gradient) + decay * kernel),
    }
    for name, how in {"adam": "penalty", "adamw": "decoupled"}.items():
        knobs = optim | {"optim.name": name, "optim.weight_decay": decay}
        found_kernel, _ = layer(Run(PLAIN | knobs).advance(0, 1))
        np.testing.assert_allclose(found_kernel, expected[how], atol=1e-5, err_msg=f"{name} decays by {how}")


# Three steps, recorded and recomputed


GOLDEN_KERNEL = [
    [0.10015509, 0.7323201, -0.22758798],
    [-0.40668154, -0.19422048, -0.23060273],
    [-0.2614751, -0.27038452, -0.13996881],
    [-0.11849396, -0.57085085, -0.26233426],
    [0.5361004, -0.04716125, -0.6780152],
    [0.33256721, 0.14600268, 0.82948583],
    [-0.26858667, -0.02869941, 0.5235353],
]
GOLDEN_BIAS = [0.07651472, -0.12079442, 0.04427968]
GOLDEN_LOSS_SUM = 3.6027608
WHAT_TO_THINK_ABOUT = (
    "three steps from seed 5 no longer end where they did. Every run that users have recorded changes with it, and no"
    " checkpoint continues as it would have. Was it meant? Look at: the numbers of the streams (INIT, ORDER, MIX, CUE);"
    " batch.permuted and the order of an epoch; how mixup splits its key, draws partner and lam; the key of the noise;"
    " normalisation before the cue; the initialiser or a layer's name; the schedule, momentum, and what the penalty"
    " counts; the version of jax or flax. If it was meant, record the new values and say so in the change log."
)


@pytest.fixture(scope="module")
def golden():
    run = Run(GOLDEN)
    return run, run.advance(0, 3)


def test_golden_run(golden):
    kernel, bias = layer(golden[1])
    np.testing.assert_allclose(kernel, GOLDEN_KERNEL, rtol=0, atol=1e-6, err_msg=WHAT_TO_THINK_ABOUT)
    np.testing.assert_allclose(bias, GOLDEN_BIAS, rtol=0, atol=1e-6, err_msg=WHAT_TO_THINK_ABOUT)
    np.testing.assert_allclose(golden[1].loss_sum, [GOLDEN_LOSS_SUM], rtol=1e-6, err_msg=WHAT_TO_THINK_ABOUT)


def test_golden_run_in_numpy(golden):
    """The same steps from the definitions; only what is drawn (start, order, noise, partner, lam) is the library's."""
    run, state = golden
    knobs = knobs_of(run.config, GOLDEN["seed"])
    kernel, bias = (value.astype(np.float64) for value in layer(run.start()))
    kernel_velocity, bias_velocity, losses = 0.0, 0.0, []
    one_hot = np.eye(3)
    for t in range(3):
        x, y = _drawn_batch(knobs, t)
        partner, lam = (np.asarray(drawn) for drawn in _drawn_mixture(knobs, t))
        x = lam * x + (1 - lam) * x[partner]
        q = lam * one_hot[y] + (1 - lam) * one_hot[y][partner]
        logits = x @ kernel + bias
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        losses.append(-(q * np.log(probs)).sum(axis=1).mean())
        lr = GOLDEN["optim.lr"] * (1.0 if t < 1 else 0.5 * (1 + np.cos(np.pi * (t - 1) / 2)))
        kernel_velocity = 0.9 * kernel_velocity + x.T @ (probs - q) / 4 + GOLDEN["optim.weight_decay"] * kernel
        bias_velocity = 0.9 * bias_velocity + (probs - q).mean(axis=0)
        kernel, bias = kernel - lr * kernel_velocity, bias - lr * bias_velocity
    found_kernel, found_bias = layer(state)
    np.testing.assert_allclose(found_kernel, kernel, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found_bias, bias, rtol=0, atol=2e-6)
    np.testing.assert_allclose(state.loss_sum, [sum(losses)], rtol=1e-5)
    assert state.loss_steps == 3


def _drawn_batch(knobs, t):
    """Four examples with their noisy tag, (4, 7), and their labels."""
    rows = np.asarray(batch_places(root_key(knobs), t, batch.whole(4), 10))
    pixels = (IMAGES[rows].reshape(4, 4) / 16.0 - 0.4) / 0.3
    cue_key = jax.random.fold_in(root_key(knobs), CUE)
    noise = np.stack([jax.random.normal(jax.random.fold_in(cue_key, row), (3,)) for row in rows])
    return np.concatenate([pixels, 0.5 * np.eye(3)[TARGETS[rows]] + 0.1 * noise], axis=1), TARGETS[rows]


@jax.jit
def _drawn_mixture(knobs, t):
    partner_key, lam_key = jax.random.split(step_key(knobs, MIX, t))
    lam = draw_lam(lam_key, batch.whole(4), alpha=np.float32(0.8), lam_per="example")
    return draw_partner(partner_key, batch.whole(4)), lam[:, None]


# Pieces, replicas, compilations


@pytest.fixture(scope="module")
def two_seeds():
    return Run(GOLDEN, seeds=[5, 6])


def assert_same_bits(found, expected, message):
    for (path, left), (_, right) in zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree_util.tree_leaves_with_path(expected), strict=True
    ):
        np.testing.assert_array_equal(left, right, err_msg=f"{jax.tree_util.keystr(path)}: {message}")


def test_pieces_equal_the_whole_to_the_bit(two_seeds):
    whole = two_seeds.advance(0, 6)
    for bounds in [(0, 1, 6), (0, 2, 5, 6), (0, 3, 3, 6)]:
        assert_same_bits(two_seeds.advance(*bounds), whole, f"cut at {bounds}; what does a step know beyond (seed, t)?")


def test_step_by_step_agrees_with_the_compiled_loop(golden):
    singly = Run(GOLDEN, compiled_loop=False).advance(0, 3)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6), singly, golden[1])


def test_a_seed_learns_the_same_alone_and_beside_others(golden, two_seeds):
    first = jax.tree.map(lambda leaf: leaf[:1], two_seeds.advance(0, 3))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6), first, golden[1])


@pytest.mark.parametrize(
    "name, changes",
    [
        ("mixup", {"method.alpha": 3.0, "method.smoothing": 0.2}),
        ("label_smoothing", {"method.smoothing": 0.2, "method.alpha": 2.0}),
    ],
)
def test_rows_that_differ_in_traced_knobs_share_a_compilation(name, changes):
    base = GOLDEN | {"method.name": name}
    changes |= {
        "optim.weight_decay": 0.5,
        "optim.lr": 0.01,
        "data.shortcut.strength": -2.0,
        "data.shortcut.noise": 0.7,
        "data.shortcut.reliability": 0.5,
    }
    first, second = config_of(base), config_of(base | changes)
    assert configs.program_key(first) == configs.program_key(second)

    run = Run(base)
    run.advance(0, 2)
    traces = run.traces
    assert traces > 0
    run.advance(0, 2, knobs=Run.knobs_of(second, [17]))
    run.advance(0, 3, knobs=Run.knobs_of(first, [0]))
    assert run.traces == traces, "a knob or a bound of the loop has become part of the program; pass it as an array"


@pytest.mark.parametrize("knob", ["seed", "lr", "weight_decay", "alpha", "strength", "noise"])
def test_every_traced_knob_matters(golden, knob):
    """A knob that is lost on its way into the program fails silently."""
    run, state = golden
    value = getattr(run.knobs, knob)
    changed = run.advance(0, 3, knobs=run.knobs._replace(**{knob: value + value.dtype.type(1)}))
    assert not np.allclose(layer(changed)[0], layer(state)[0], atol=1e-3), f"{knob} has no effect"


def test_smoothing_matters():
    run = Run(GOLDEN | {"method.name": "label_smoothing", "method.smoothing": 0.1})
    changed = run.advance(0, 3, knobs=run.knobs._replace(smoothing=np.float32([0.5])))
    assert not np.allclose(layer(changed)[0], layer(run.advance(0, 3))[0], atol=1e-3)


@pytest.mark.parametrize(
    "knobs, theirs",
    [
        ({}, optax.sgd(0.2, momentum=0.9)),
        ({"optim.momentum": 0.0}, optax.sgd(0.2)),
        ({"optim.nesterov": True}, optax.sgd(0.2, momentum=0.9, nesterov=True)),
        ({"optim.name": "adam"}, optax.adam(0.2)),
        ({"optim.name": "adamw"}, optax.adamw(0.2, weight_decay=0.1, mask={"kernel": True, "bias": False})),
        ({"optim.clip_norm": 0.5}, optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.2, momentum=0.9))),
    ],
    ids=lambda value: ",".join(f"{k.split('.')[1]}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_optimisers_are_those_of_optax(knobs, theirs):
    settings = {"optim.lr": 0.2, "optim.weight_decay": 0.1, "optim.schedule": "constant"} | knobs
    run = Run(PLAIN | settings)
    ours = run.program._optimiser(knobs_of(run.config, 0))
    params = {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}
    states = [ours.init(params), theirs.init(params)]
    for step in range(3):
        gradient = jax.tree.map(lambda w: jnp.cos(3 * w + step), params)  # noqa: B023
        (mine, states[0]), (expected, states[1]) = (
            optimiser.update(gradient, state, params) for optimiser, state in zip((ours, theirs), states, strict=True)
        )
        chex.assert_trees_all_close(mine, expected, rtol=1e-6)


def test_images_are_augmented_in_training_and_nowhere_else():
    augment = {"data.augment.crop": 1, "data.augment.flip": True, "data.augment.cutout": 1}
    table = plan(SPLITS, [config_of(PLAIN)], [0]).train
    places, rows = jnp.arange(4), batch.whole(4)

    def inputs_of(knobs, **augmented):
        run = Run({"model.name": "linear", "steps": 3, "batch_size": 4} | knobs)
        own = jax.tree.map(lambda values: values[0], table)
        return run.program._examples(examples_of(SPLITS), own, places, knobs_of(run.config, 0), **augmented)[0]

    plain = (IMAGES[table.rows[0][:4]] / 16 - 0.4) / 0.3
    np.testing.assert_allclose(inputs_of(augment), plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inputs_of({}, augment=(0, rows)), plain, rtol=1e-5, atol=1e-6)
    first, again, later = (inputs_of(augment, augment=(t, rows)) for t in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, plain) and not np.allclose(first, later), "each step draws its own"
    assert first.shape == plain.shape
