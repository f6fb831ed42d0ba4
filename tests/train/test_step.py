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
from lamv.core.laws import beta
from lamv.core.mixing import draw_lam, draw_partner
from lamv.data.resident import data_view, examples_of
from lamv.data.splits import Normalisation, Split, Splits
from lamv.errors import ConfigError
from lamv.train import parallel
from lamv.train.batches import Draw, batch_indices
from lamv.train.optimisation import optimiser, schedule
from lamv.train.parallel import DATA_AXIS
from lamv.train.replica import CUE, MIX, root_key, step_key, traced_knobs
from lamv.train.session import OF_TRAINING
from lamv.train.step import Program

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
#: The same with a law that compiles quickly, for what does not depend on it.
QUICK = GOLDEN | {"method.law": "uniform(0, 1)"}
PLAIN = {"data.flatten": True, "model.name": "linear", "steps": 3, "batch_size": 4}


def config_of(knobs):
    """As recorded, so that knobs of which the row makes no use may be among them."""
    (row,) = configs.rows_of({"rows": [{"name": "row", "config": {}}]}, knobs)
    return row.config


class Run:
    """A program on the tiny data, on one device, for a few seeds."""

    #: Compiled functions, which many programs have in common.
    inits: dict = {}

    def __init__(self, knobs, seeds=None, compiled_loop=True):
        self.config = config_of(knobs)
        seeds = [self.config.seed] if seeds is None else seeds
        self.view = data_view(SPLITS, [self.config] * len(seeds), seeds)
        self.program = Program(self.config, self.view)
        self.knobs = self.knobs_of(self.config, seeds)
        self.traces = 0
        layout = parallel.Layout(self.config, len(seeds), jax.devices()[:1])
        key = configs.program_key(self.config, without=OF_TRAINING), len(seeds), self.program.remembers
        key = *key, self.program.has_soft_labels
        self.init = self.inits.setdefault(key, layout.mapped(self.program.init, shared=0))
        self._steps = [
            layout.repeated(partial(self._step, stage), shared=1, compiled_loop=compiled_loop) for stage in range(2)
        ]

    def _step(self, stage, *arguments):
        self.traces += 1
        return self.program.step(*arguments, stage=stage)

    @staticmethod
    def knobs_of(config, seeds):
        each = [traced_knobs(config, seed, config.steps) for seed in seeds]
        return jax.tree.map(lambda *values: np.stack(values), *each)

    def knobs_for(self, seed):
        """Those of one replica, without a leading axis."""
        return traced_knobs(self.config, seed, self.config.steps)

    def start(self):
        """The state, on the host, before the first step."""
        return jax.tree.map(np.asarray, self.init(self.knobs))

    def advance_stages(self, switch, stop):
        """The state, on the host, after `stop` steps with a switch of methods."""
        state = self.advance(0, switch)
        return self.advance(switch, stop, state=state, stage=1) if stop > switch else state

    def advance(self, *bounds, knobs=None, state=None, stage=0):
        """The state, on the host, after the steps from each bound to the next."""
        knobs = self.knobs if knobs is None else knobs
        state = self.init(knobs) if state is None else state
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            state = self._steps[stage](state, knobs, self.view.train, examples_of(SPLITS), start, stop)
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


@pytest.mark.parametrize("hundredths", [7, 29, 30, 51, 60, 70, 99])
def test_a_milestone_at_a_whole_step_is_passed_at_that_step(hundredths):
    optim = config_of({"steps": 10, "optim.schedule": "step", "optim.milestones": (hundredths / 100,)}).optim
    steps = np.arange(100, 1_000_001, 100, dtype=np.int32)
    at = jax.jit(jax.vmap(lambda t, steps: schedule(optim, steps)(t)))
    milestones = steps // 100 * hundredths
    np.testing.assert_array_equal(at(milestones - 1, steps), 1)
    np.testing.assert_allclose(at(milestones, steps), 0.1)


# The order of the examples


def epochs_of(seed, number, batch_size, epochs):
    """(epochs, batches, batch_size) places."""
    per_epoch = number // batch_size
    places = places_of(jax.random.key(seed), jnp.arange(epochs * per_epoch), number, batch_size)
    return np.asarray(places).reshape(epochs, per_epoch, batch_size)


@partial(jax.jit, static_argnames=("number", "batch_size"))
def places_of(key, steps, number, batch_size):
    return jax.vmap(lambda t: batch_indices(key, Draw(t, batch.whole(batch_size)), number))(steps)


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
        return batch_indices(key, Draw(5, batch.part(8, DATA_AXIS)), 30)

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
    [0.062296979, 0.8050496, -0.26245943],
    [-0.41421223, -0.13320091, -0.28409159],
    [-0.19694638, -0.28066212, -0.19421986],
    [-0.064931504, -0.5226962, -0.36405146],
    [0.53347623, -0.040674433, -0.68187785],
    [0.32367551, 0.17131889, 0.81306136],
    [-0.25409389, -0.0075223856, 0.48786554],
]
GOLDEN_BIAS = [0.059442535, -0.033041637, -0.0264009]
GOLDEN_LOSS_SUM = 3.6333325
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
    knobs = run.knobs_for(GOLDEN["seed"])
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
    rows = np.asarray(batch_indices(root_key(knobs), Draw(t, batch.whole(4)), 10))
    pixels = (IMAGES[rows].reshape(4, 4) / 16.0 - 0.4) / 0.3
    cue_key = jax.random.fold_in(root_key(knobs), CUE)
    noise = np.stack([jax.random.normal(jax.random.fold_in(cue_key, row), (3,)) for row in rows])
    return np.concatenate([pixels, 0.5 * np.eye(3)[TARGETS[rows]] + 0.1 * noise], axis=1), TARGETS[rows]


@jax.jit
def _drawn_mixture(knobs, t):
    partner_key, lam_key = jax.random.split(step_key(knobs, MIX, t))
    lam = draw_lam(lam_key, batch.whole(4), beta(np.float32(0.8)), lam_per="example")
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
    run.advance(0, 3, knobs=Run.knobs_of(config_of(base | {"steps": 77}), [0]))
    assert run.traces == traces, "a knob or a bound of the loop has become part of the program; pass it as an array"


@pytest.mark.parametrize("knob", ["seed", "lr", "weight_decay", "alpha", "smoothing", "strength", "noise"])
def test_every_traced_knob_matters(golden, knob):
    """A knob that is lost on its way into the program fails silently."""
    run, state = golden
    changed = run.advance(0, 3, knobs=nudged(run.knobs, knob, 0.5))
    assert not np.allclose(layer(changed)[0], layer(state)[0], atol=1e-3), f"{knob} has no effect"


@pytest.mark.parametrize(
    "knob, by, knobs",
    [
        ("smoothing", 0.4, {"method.name": "label_smoothing", "method.smoothing": 0.1}),
        ("weight", 1.0, {"method.name": "regmixup"}),
        ("bandwidth", 20.0, {"method.name": "c_mixup", "method.bandwidth": 0.05}),
        ("noise_rate", 0.3, {"method.name": "noise_correction"}),
        ("over_smoothing", -0.5, {"method.name": "over_smoothing"}),
        ("running_decay", -0.8, {"method.name": "instance_smoothing", "method.smoothing": 0.9}),
        ("scale_low", 0.5, {"method.name": "resizemix"}),
        ("scale_high", -0.5, {"method.name": "resizemix"}),
        ("decay_power", 9.0, {"method.name": "fmix", "method.law": ""}),
        ("label_noise", 0.4, {"data.label_noise": 0.5}),
        ("confidence_penalty", 1.0, {"loss.confidence_penalty": 0.1}),
        ("entropy_threshold", 0.9, {"loss.confidence_penalty": 2.0}),
        ("max_suppression", 1.0, {"loss.max_suppression": 0.1}),
    ],
)
def test_every_traced_knob_of_one_method_matters(knob, by, knobs):
    """The first batches come twice, so that what was remembered of the first time can matter."""
    run = Run(QUICK | {"method.name": "erm", "steps": 6} | knobs)
    changed = run.advance(0, 6, knobs=nudged(run.knobs, knob, by))
    assert not np.allclose(layer(changed)[0], layer(run.advance(0, 6))[0], atol=1e-4), f"{knob} has no effect"


def test_a_maxsup_of_0_is_off():
    """It leaves no trace in the program, and as a traced 0 none in the numbers."""
    plain = config_of(QUICK)
    assert configs.program_key(config_of(QUICK | {"loss.max_suppression": 0.0})) == configs.program_key(plain)
    run = Run(QUICK | {"loss.max_suppression": 0.1})
    off = run.advance(0, 3, knobs=nudged(run.knobs, "max_suppression", -0.1))
    chex.assert_trees_all_close(off.params, Run(QUICK).advance(0, 3).params, rtol=1e-6, atol=1e-7)


def test_where_all_is_right_a_step_of_maxsup_is_one_of_smoothing():
    """After many steps of ERM, which the tag lets get every example right; from the start the two part."""
    knobs = QUICK | {
        "method.name": "erm",
        "method.law": "",
        "optim.schedule": "constant",
        "data.shortcut.strength": 3.0,
    }
    erm, maxsup = Run(knobs), Run(knobs | {"loss.max_suppression": 0.3})
    smoothed = Run(knobs | {"method.name": "label_smoothing", "method.smoothing": 0.3})
    late = erm.advance(0, 60)
    for state, same in ((late, True), (erm.start(), False)):
        ends = [layer(run.advance(60, 63, state=state)) for run in (maxsup, smoothed)]
        assert np.allclose(*(np.concatenate([kernel, bias[None]]) for kernel, bias in ends), atol=1e-5) is same


def nudged(knobs, name, by):
    if name in knobs.method:
        return knobs._replace(method=knobs.method | {name: knobs.method[name] + np.float32(by)})
    value = getattr(knobs, name)
    return knobs._replace(**{name: value + value.dtype.type(max(by, 1) if name == "seed" else by)})


# Phases, memory, layers, noise on labels


def test_the_switch_starts_the_second_method():
    """The steps before it are those of the first method, the ones after those of the second, from the state reached."""
    early = {"method.name": "mixup", "method.then": "erm", "method.switch": 2}
    run, erm, mixed = (Run(QUICK | knobs | {"steps": 4}) for knobs in (early, {"method.name": "erm"}, {}))
    state = run.advance_stages(2, 4)
    assert_same(mixed.advance(0, 2), run.advance_stages(2, 2))
    by_hand = erm.advance(2, 4, state=mixed.advance(0, 2))
    assert_same(state, by_hand)


def test_only_the_head_learns_after_the_switch():
    knobs = {"model.name": "mlp", "model.widths": (4,), "method.then": "over_smoothing", "method.switch": 2, "steps": 5}
    run = Run(GOLDEN | knobs | {"optim.after_switch": "head"})
    before, after = run.advance_stages(2, 2), run.advance_stages(2, 5)
    np.testing.assert_array_equal(before.params["first"]["kernel"], after.params["first"]["kernel"])
    np.testing.assert_array_equal(before.params["first"]["bias"], after.params["first"]["bias"])
    assert not np.allclose(before.params["head"]["kernel"], after.params["head"]["kernel"], atol=1e-4)


def test_the_running_mean_of_predictions_by_hand():
    run = Run(GOLDEN | {"method.name": "instance_smoothing", "method.smoothing": 0.3, "optim.lr": 1e-30})
    knobs = run.knobs_for(GOLDEN["seed"])
    kernel, bias = layer(run.start())
    running = np.full((10, 3), 1 / 3)
    for t in range(3):
        x, _ = _drawn_batch(knobs, t)
        places = np.asarray(batch_indices(root_key(knobs), Draw(t, batch.whole(4)), 10))
        running[places] = 0.9 * running[places] + 0.1 * np.asarray(jax.nn.softmax(x @ kernel + bias))
    np.testing.assert_allclose(run.advance(0, 3).running[0], running, atol=1e-5)


def test_noise_on_labels_stays_with_the_example():
    run = Run(GOLDEN | {"data.label_noise": 0.9, "method.name": "erm"})
    examples = jax.tree.map(jnp.asarray, examples_of(SPLITS))
    table = jax.tree.map(lambda values: jnp.asarray(values[0]), run.view.train)

    @jax.jit
    def targets(places, knobs):
        return run.program.batches.at(examples, table, places, knobs).targets

    noisy = np.asarray(targets(jnp.tile(jnp.arange(10), 400), run.knobs_for(3))).reshape(400, 10, 3)
    assert np.all(noisy == noisy[0]), "an example changed its label from one step to the next"
    others = [np.asarray(targets(jnp.arange(10), run.knobs_for(seed))).argmax(1) for seed in range(400)]
    flipped = np.mean(np.stack(others) != TARGETS[np.asarray(table.rows)])
    assert abs(flipped - 0.6) < 5 * np.sqrt(0.24 / 4000), "0.9 are drawn anew, two thirds of those to another class"


def test_manifold_mixup_of_the_first_layer_is_mixup():
    mixed, deep = Run(QUICK), Run(QUICK | {"method.name": "manifold_mixup", "method.layers": ("first",)})
    assert_same(mixed.advance(0, 3), deep.advance(0, 3))


def test_manifold_mixup_in_the_middle_is_something_else():
    knobs = QUICK | {"model.name": "mlp", "model.widths": (4,), "method.name": "manifold_mixup"}
    first, middle = (Run(knobs | {"method.layers": layers}).advance(0, 3) for layers in (("input",), ("head",)))
    assert not np.allclose(first.params["head"]["kernel"], middle.params["head"]["kernel"], atol=1e-4)


def test_an_unknown_layer_is_refused_with_those_that_exist():
    with pytest.raises(
        ConfigError, match="'haed', which mlp lacks .did you mean 'head'.*its layers: input, first, head"
    ):
        Run(GOLDEN | {"model.name": "mlp", "method.name": "manifold_mixup", "method.layers": ("haed",)})


def assert_same(one, other):
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("pair", [
    ({"method.name": "erm"}, {"method.name": "label_smoothing"}),
    ({"method.name": "erm"}, {"method.name": "mixup", "method.law": "fixed(1)"}),
    ({"method.name": "erm"}, {"method.name": "cutmix", "method.law": "fixed(1)"}),
    ({"method.name": "mixup", "method.law": "fixed(0.5)"}, {"method.name": "midpoint"}),
    ({"method.name": "mixup", "method.law": "fixed(0.7)"}, {"method.name": "decoupled_mixup", "method.law": "fixed(0.7)",
                                                            "method.target_law": "fixed(0.7)"}),
    ({"method.name": "mixup"}, {"method.name": "decoupled_mixup"}),
    ({"method.name": "mixup", "method.lam_per": "batch"}, {"method.name": "manifold_mixup", "method.lam_per": "batch"}),
], ids=lambda pair: " = ".join(knobs["method.name"] for knobs in pair))  # fmt: skip
def test_what_must_be_the_same_is_so_to_the_bit(pair):
    one, other = (Run(QUICK | knobs).advance(0, 3) for knobs in pair)
    assert_same(one, other)


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
    ours = optimiser(run.config, run.knobs_for(0))
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
    table = data_view(SPLITS, [config_of(PLAIN)], [0]).train
    places, rows = jnp.arange(4), batch.whole(4)

    def inputs_of(knobs, draw=None):
        run = Run({"model.name": "linear", "steps": 3, "batch_size": 4} | knobs)
        own = jax.tree.map(lambda values: values[0], table)
        return run.program.batches.at(examples_of(SPLITS), own, places, run.knobs_for(0), draw=draw).inputs

    plain = (IMAGES[table.rows[0][:4]] / 16 - 0.4) / 0.3
    np.testing.assert_allclose(inputs_of(augment), plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inputs_of({}, Draw(0, rows)), plain, rtol=1e-5, atol=1e-6)
    first, again, later = (inputs_of(augment, Draw(t, rows)) for t in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, plain) and not np.allclose(first, later), "each step draws its own"
    assert first.shape == plain.shape


# Methods that look at predictions


def predicted(state):
    """(10, 3) probabilities of all examples, by the first replica of a linear model."""
    kernel, bias = layer(state)
    logits = (IMAGES.reshape(10, 4) / 16.0 - 0.4) / 0.3 @ kernel + bias
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_instance_smoothing_without_lag_is_erm_at_a_smaller_step():
    """Where the running mean is the current prediction, a step is that of ERM with (1 - smoothing) lr."""
    plain = PLAIN | {"optim.schedule": "constant", "optim.momentum": 0.0}
    smoothing = {"method.name": "instance_smoothing", "method.smoothing": 0.25, "method.running_decay": 0.0}
    run = Run(plain | smoothing | {"optim.lr": 0.4})
    start = run.start()
    current = predicted(start)
    found = run.advance(0, 1, state=start._replace(running=np.float32(current)[None]))
    expected = Run(plain | {"optim.lr": 0.3}).advance(0, 1)
    for one, other in zip(layer(found), layer(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    # With decay 0 it keeps what was predicted at the last visit: from there on it lags.
    visited = np.asarray(batch_indices(root_key(run.knobs_for(0)), Draw(0, batch.whole(4)), 10))
    np.testing.assert_allclose(found.running[0, visited], current[visited], rtol=1e-5)
    lagging = run.advance(0, 1, state=run.start())
    assert np.abs(layer(lagging)[0] - layer(expected)[0]).max() > 1e-3, "1 / K is no current prediction"


def test_soft_labels_change_at_the_end_of_an_epoch():
    """Ten examples in batches of four: an epoch is two steps."""
    run = Run(PLAIN | {"method.name": "online_smoothing", "method.smoothing": 0.5, "optim.lr": 1.0})
    states = [run.start(), *(run.advance(0, stop) for stop in (1, 2, 3))]
    even = np.full((3, 3), 1 / 3)
    sums = np.zeros((3, 3))
    for t in range(2):
        np.testing.assert_allclose(states[t].soft.rows[0], even, rtol=1e-6)
        rows = np.asarray(batch_indices(root_key(run.knobs_for(0)), Draw(t, batch.whole(4)), 10))
        for probabilities, label in zip(predicted(states[t])[rows], TARGETS[rows], strict=True):
            sums[label] += probabilities * (probabilities.argmax() == label)
    assert not states[2].soft.sums.any() and states[3].soft.sums.any() and sums.any()
    number = sums.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        states[2].soft.rows[0], np.where(number, sums / np.maximum(number, 1e-9), even), rtol=1e-4
    )
    np.testing.assert_array_equal(states[3].soft.rows, states[2].soft.rows)
