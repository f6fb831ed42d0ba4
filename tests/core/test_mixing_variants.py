"""The variants of Mixup by hand, by their moments, and by what all of them have in common."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from lamv.core import batch
from lamv.core.batch import Augmented
from lamv.core.laws import Law, fixed, uniform
from lamv.core.methods import METHODS
from lamv.core.mixing import (
    c_mixup,
    decoupled_mixup,
    draw_partner,
    draw_partner_near,
    draw_partner_within,
    input_mixup,
    kway_mixup,
    manifold_mixup,
    midpoint,
    mix,
    mixup,
    rc_mixup,
    regmixup,
    same_class_mixup,
    target_mixup,
)
from lamv.core.targets import flip, smooth

KEY = jax.random.key(7)
MANY = 20_000


def spread_out(inputs):
    """A stand-in for a model of one output, each row from its own inputs alone."""
    return 3 * jnp.sin(5 * inputs.reshape(len(inputs), -1)[:, :1])


def rc_mixup_of(key, inputs, targets, **knobs):
    """rc_mixup with as many of these outputs as there are targets."""
    return rc_mixup(key, inputs, targets, predict=lambda x: jnp.tile(spread_out(x), (1, targets.shape[-1])), **knobs)


def decoupled_by_one_law(key, inputs, targets, law, **knobs):
    return decoupled_mixup(key, inputs, targets, law=law, target_law=law, **knobs)


#: Every member of the family that has a law of lam.
VARIANTS = {
    "mixup": mixup,
    "mixup, a lam for the batch": partial(mixup, lam_per="batch"),
    "decoupled_mixup": decoupled_by_one_law,
    "input_mixup": input_mixup,
    "target_mixup": target_mixup,
    "same_class_mixup": same_class_mixup,
    "manifold_mixup": partial(manifold_mixup, layers=("input", "middle")),
    "regmixup": partial(regmixup, weight=0.5),
    "c_mixup": c_mixup,
    "rc_mixup": rc_mixup_of,
}
MEMBERS = VARIANTS | {"midpoint": midpoint, "kway_mixup": kway_mixup}


def always(lam):
    """As fixed(lam), but a program of another law serves it, too."""
    return Law("uniform", (lam, lam))


def augmented(method, *arguments, **knobs) -> Augmented:
    made = method(*arguments, **knobs)
    return made if isinstance(made, Augmented) else Augmented(*made)


def everything(name, *arguments, law, **knobs):
    """(inputs, targets, weights, what became of activations in the middle), with None where there is none."""
    made = augmented(MEMBERS[name], *arguments, **({"law": law} if name in VARIANTS else {}), **knobs)
    return made.inputs, made.targets, made.weights, made.hidden and made.hidden("middle", arguments[1] ** 2)


def by_all(*arguments, names=tuple(MEMBERS), **knobs):
    """`everything` by name. One program for all: the draws that they have in common are compiled once."""
    return {name: everything(name, *arguments, **knobs) for name in names}


COMPILED = jax.jit(by_all)


def numbered(size):
    """A batch that tells who was mixed with whom: inputs are positions, targets are one-hot of positions."""
    return np.arange(size, dtype=np.float32)[:, None], np.eye(size, dtype=np.float32)


def twelve():
    return np.random.default_rng(0).normal(size=(12, 3, 2)).astype(np.float32), np.eye(12, dtype=np.float32)[:, ::-1]


def partners_of(key, size):
    return np.asarray(draw_partner(jax.random.split(key)[0], batch.whole(size)))


def same_bits(found, expected):
    assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()


def is_about(samples, expected):
    """The mean of independent samples is within four standard errors of `expected`."""
    samples = np.asarray(samples, np.float64)
    assert abs(samples.mean() - expected) < 4 * samples.std() / np.sqrt(samples.size), (samples.mean(), expected)


# What all have in common


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_lam_one_is_the_batch_to_the_bit(jit, name):
    inputs, targets = twelve()
    targets = targets[:, ::-1] if name == "same_class_mixup" else np.asarray(smooth(targets, 0.3))
    arguments, law = (KEY, inputs, targets), always(1.0)
    x, q, _, hidden = COMPILED(*arguments, law=law)[name] if jit else everything(name, *arguments, law=law)
    for copy in range(len(x) // 12):
        same_bits(x[12 * copy : 12 * (copy + 1)], inputs)
        same_bits(q[12 * copy : 12 * (copy + 1)], targets)
    if hidden is not None:
        same_bits(hidden, np.square(inputs))


@pytest.mark.parametrize("size", [1, 12])
@pytest.mark.parametrize("name", MEMBERS)
def test_any_batch_gives_mixtures_of_it(name, size):
    inputs, targets = (values[:size] for values in twelve())
    x, q, weights, _ = jax.tree.map(np.asarray, COMPILED(KEY, inputs, targets, law=uniform())[name])
    copies = 2 if name == "regmixup" else 1
    assert x.shape == (copies * size, 3, 2) and q.shape == (copies * size, 12)
    assert x.dtype == q.dtype == np.float32
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-6)
    assert np.all(q >= 0)
    assert np.all(x >= inputs.min(axis=0) - 1e-6) and np.all(x <= inputs.max(axis=0) + 1e-6)
    if size == 1:
        np.testing.assert_allclose(x, np.tile(inputs, (copies, 1, 1)), rtol=1e-6)
        np.testing.assert_allclose(q, np.tile(targets, (copies, 1)), rtol=1e-6)
    assert (weights is None) == (name not in ("regmixup", "rc_mixup"))


@pytest.mark.parametrize("name", MEMBERS)
def test_eagerly_as_compiled(name):
    compiled = COMPILED(KEY, *twelve(), law=uniform())[name]
    for one, other in zip(everything(name, KEY, *twelve(), law=uniform()), compiled, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MEMBERS)
def test_one_class_stays_one(name):
    inputs, targets = twelve()
    found = COMPILED(KEY, inputs, np.broadcast_to(targets[:1], targets.shape), law=uniform())[name][1]
    np.testing.assert_allclose(found, np.broadcast_to(targets[:1], found.shape), rtol=1e-6)


@cache
def in_parts(parts, names):
    def on_a_part(inputs, targets):
        return by_all(KEY, inputs, targets, names=names, law=uniform(), rows=batch.part(12, "data"))

    cut = [values.reshape(parts, 12 // parts, *values.shape[1:]) for values in twelve()]
    return jax.jit(jax.vmap(on_a_part, axis_name="data"))(*cut)


@pytest.mark.parametrize("name, parts", [*((name, 4) for name in MEMBERS), ("mixup", 1), ("mixup", 2)])
def test_draws_do_not_depend_on_how_the_batch_is_cut(name, parts):
    found = in_parts(parts, tuple(MEMBERS) if parts == 4 else (name,))[name]
    for pieces, expected in zip(found, COMPILED(KEY, *twelve(), law=uniform())[name], strict=True):
        assert (pieces is None) == (expected is None)
        if pieces is not None:
            np.testing.assert_array_equal(
                joined(pieces, parts), expected, err_msg="a draw is keyed by something other than the global position"
            )


def joined(pieces, parts):
    """(parts, copies x local, ...) -> (copies x 12, ...): a method that doubles the batch doubles each part of it."""
    pieces = np.asarray(pieces)
    split = pieces.reshape(parts, -1, 12 // parts, *pieces.shape[2:])
    return np.swapaxes(split, 0, 1).reshape(-1, *pieces.shape[2:])


# Other weights for inputs and targets


def test_decoupled_with_one_lam_is_mixup_to_the_bit(run):
    for law in (uniform(), always(0.3)):
        found, expected = (run(method)(KEY, *twelve(), law=law) for method in (decoupled_mixup, mixup))
        for one, other in zip(found, expected, strict=True):
            same_bits(one, other)


def test_decoupled_with_two_constants_by_hand(run):
    inputs, targets = twelve()
    found = run(decoupled_mixup)(KEY, inputs, targets, law=always(0.6), target_law=always(0.9))
    partner = partners_of(KEY, 12)
    np.testing.assert_allclose(found[0], 0.6 * inputs + 0.4 * inputs[partner], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], 0.9 * targets + 0.1 * targets[partner], rtol=1e-6)


@pytest.mark.parametrize("lam_per", ["example", "batch"])
def test_decoupled_weights_are_independent_and_follow_their_laws(lam_per):
    """Inputs and targets are 1 for one half and 0 for the other: where 1 meets 0, they are lam and tau themselves."""
    keys, size = (jax.random.split(KEY, 1), MANY) if lam_per == "example" else (jax.random.split(KEY, 4000), 16)
    ones = np.float32(np.arange(size) % 2)[:, None]

    @jax.jit
    @jax.vmap
    def drawn(key):
        method = partial(decoupled_mixup, law=uniform(), target_law=uniform(0.5, 1.0), lam_per=lam_per)
        inputs, targets = method(key, ones, np.concatenate([ones, 1 - ones], axis=1))
        partner = draw_partner(jax.random.split(key)[0], batch.whole(size))
        return inputs[:, 0], targets[:, 0], ones[:, 0] * (1 - jnp.asarray(ones)[partner, 0])

    lam, tau, tells = (np.asarray(values) for values in drawn(keys))
    if lam_per == "example":
        lam, tau = lam[tells > 0], tau[tells > 0]
        assert len(lam) > MANY / 5
    else:
        assert np.all(tells.sum(axis=1) > 0), "in every batch some 1 meets a 0"
        place = tells.argmax(axis=1)
        lam, tau = (values[np.arange(4000), place] for values in (lam, tau))
    is_about(lam, 1 / 2)
    is_about(tau, 3 / 4)
    is_about((lam - 1 / 2) ** 2, 1 / 12)
    is_about((tau - 3 / 4) ** 2, 1 / 48)
    is_about((lam - 1 / 2) * (tau - 3 / 4), 0.0)


@pytest.mark.parametrize("lam, own", [(0.3, False), (0.7, True), (0.5, True)])
def test_input_mixup_takes_the_target_that_weighs_more(run, lam, own):
    inputs, targets = twelve()
    found = run(input_mixup)(KEY, inputs, targets, law=always(lam))
    same_bits(found[0], run(mixup)(KEY, inputs, targets, law=always(lam))[0])
    np.testing.assert_array_equal(found[1], targets if own else targets[partners_of(KEY, 12)])


@pytest.mark.parametrize("lam", [0.3, 0.7])
def test_target_mixup_leaves_inputs_and_gives_the_larger_part_to_the_own_target(run, lam):
    inputs, targets = twelve()
    found = run(target_mixup)(KEY, inputs, targets, law=always(lam))
    same_bits(found[0], inputs)
    np.testing.assert_allclose(found[1], 0.7 * targets + 0.3 * targets[partners_of(KEY, 12)], rtol=1e-6)


# Other partners


def test_same_class_mixup_stays_in_the_class(run):
    labels = np.array([2, 0, 1, 0, 0, 2, 1, 0, 3, 5, 5, 1])
    positions = np.broadcast_to(np.arange(12, dtype=np.float32)[:, None, None], (12, 3, 2))
    targets = np.float32(0.8) * np.eye(12, dtype=np.float32)[labels] + np.float32(0.2 / 12)
    partner, _ = run(same_class_mixup)(KEY, positions, targets, law=always(0.0))
    partner = np.asarray(partner)[:, 0, 0].astype(int)
    np.testing.assert_array_equal(labels[partner], labels, err_msg="a partner is of another class")
    np.testing.assert_array_equal(np.sort(partner), np.arange(12), err_msg="the partners are no permutation")
    mixed, same = run(same_class_mixup)(KEY, positions, targets, law=always(0.3))
    np.testing.assert_allclose(mixed[:, 0, 0], 0.3 * np.arange(12) + 0.7 * partner, rtol=1e-5)
    np.testing.assert_allclose(same, targets, rtol=1e-6)


def test_partners_of_a_class_are_a_uniform_permutation_of_it():
    labels = np.array([0, 1, 0, 1, 0])
    draw = jax.jit(jax.vmap(lambda key: draw_partner_within(key, batch.whole(5), labels)))
    found, counts = np.unique(np.asarray(draw(jax.random.split(KEY, 6000))), axis=0, return_counts=True)
    assert len(found) == 12, "3! permutations of one class times 2! of the other"
    assert np.all(np.abs(counts - 500) < 100), "6000 draws of 1 in 12 lie within 4.7 standard deviations of 500"


def test_three_way_weights_have_the_moments_of_dirichlet():
    alpha, ways = 0.7, 3
    own, others, met = three_ways(alpha)
    is_about(met, 6 / 7 * 5 / 7)  # the partners are independent permutations: all three differ in 30 of 49
    is_about(own, 1 / ways)
    is_about(own**2, (alpha + 1) / (ways * (ways * alpha + 1)))
    is_about(others.prod(axis=1), alpha / (ways * (ways * alpha + 1)))
    np.testing.assert_allclose(own + others.sum(axis=1), 1, rtol=1e-6)


@cache
def three_ways(alpha):
    """Own weight, the two others, and in which rows, in number, the three examples differ."""
    mixed = jax.jit(jax.vmap(lambda key: kway_mixup(key, *numbered(7), alpha=alpha)))
    inputs, targets = (np.asarray(values) for values in mixed(jax.random.split(KEY, 4000)))
    np.testing.assert_allclose(inputs, targets @ np.arange(7.0)[:, None], rtol=1e-5, atol=1e-5)
    # One row of each batch, since those of one batch share their permutations.
    targets = targets[:, 0]
    met = np.count_nonzero(targets, axis=1) == 3
    own = targets[met, 0]
    others = targets[met][:, 1:]
    return own, others[others > 0].reshape(-1, 2), met


def test_two_ways_have_the_law_of_mixup():
    mixed = jax.jit(jax.vmap(lambda key: kway_mixup(key, *numbered(4), alpha=0.7, ways=2)[1][0]))
    targets = np.asarray(mixed(jax.random.split(KEY, 4000)))
    assert np.all(np.count_nonzero(targets, axis=1) <= 2)
    own = targets[np.count_nonzero(targets, axis=1) == 2][:, 0]
    assert stats.kstest(own, stats.beta(0.7, 0.7).cdf).pvalue > 1e-3


def test_every_way_is_a_permutation():
    inputs, targets = jax.jit(partial(kway_mixup, ways=4, lam_per="batch"))(KEY, *numbered(9))
    np.testing.assert_allclose(targets.sum(axis=0), 1, rtol=1e-6, err_msg="someone is a partner twice")
    np.testing.assert_allclose(inputs, targets @ np.arange(9.0)[:, None], rtol=1e-5)
    weights = np.sort(targets, axis=1)
    np.testing.assert_allclose(weights[weights[:, -4] > 0][:, -4:].std(axis=0), 0, atol=1e-6)


# Targets that are near


def test_c_mixup_draws_partners_by_the_nearness_of_targets():
    expected = [[0.618185, 0.374948, 0.006867], [0.348207, 0.574097, 0.077696], [0.009690, 0.118048, 0.872262]]
    assert_partners([[0.0], [1.0], [3.0]], 1.0, expected)


def test_c_mixup_measures_the_distance_over_all_targets():
    odds = np.exp(-0.5)
    near, far = 1 / (1 + odds), odds / (1 + odds)
    assert_partners([[0.0, 0.0], [3.0, 4.0]], 5.0, [[near, far], [far, near]])


def assert_partners(targets, bandwidth, expected):
    targets = np.float32(targets)
    positions = np.arange(len(targets), dtype=np.float32)[:, None]
    method = partial(c_mixup, law=fixed(0.0), bandwidth=bandwidth)
    partners, theirs = jax.jit(jax.vmap(lambda key: method(key, positions, targets)))(jax.random.split(KEY, MANY))
    partners = np.asarray(partners)[..., 0].astype(int)
    np.testing.assert_array_equal(theirs, targets[partners])
    share = (partners[..., None] == np.arange(len(targets))).mean(axis=0)
    sigma = np.sqrt(np.multiply(expected, 1 - np.asarray(expected)) / MANY)
    assert np.all(np.abs(share - expected) < 4 * sigma), share


@pytest.mark.parametrize("bandwidth", [0.01, 1e-25])
def test_a_small_bandwidth_leaves_only_equal_targets_and_those_alike(bandwidth):
    targets = np.float32([[0.0], [1.0], [0.0], [2.5]])
    draw = jax.jit(jax.vmap(lambda key, b: draw_partner_near(key, batch.whole(4), targets, b), (0, None)))
    partner = np.asarray(draw(jax.random.split(KEY, 400), bandwidth))
    np.testing.assert_array_equal(partner[:, [1, 3]], np.tile([1, 3], (400, 1)))
    assert np.all(np.isin(partner[:, [0, 2]], [0, 2]))
    assert np.all(np.abs((partner[:, [0, 2]] == 0).mean(axis=0) - 0.5) < 0.1), "4 standard deviations"


def test_a_large_bandwidth_makes_all_partners_alike():
    draw = jax.jit(jax.vmap(lambda key: draw_partner_near(key, batch.whole(4), jnp.arange(4.0)[:, None], 1e6)))
    counts = (np.asarray(draw(jax.random.split(KEY, 2000)))[..., None] == np.arange(4)).sum(axis=0)
    assert np.all(np.abs(counts - 500) < 100)


@pytest.mark.parametrize("size", [1, 10, 11])
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.99])
def test_rc_mixup_leaves_out_exactly_the_worst(size, rate):
    inputs, targets, error = noisy(size)
    made = cleaned(KEY, inputs, targets, rate, fixed(0.0))
    kept = max(1, size - round(rate * size))
    best = np.argsort(error)[:kept]
    expected = np.zeros(size)
    expected[best] = size / kept
    np.testing.assert_allclose(made.weights, expected, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(made.weights).mean(), 1, rtol=1e-6)
    assert set(np.asarray(made.inputs)[:, 0].astype(int)) <= set(best), "a partner is among those left out"


def noisy(size):
    """Numbered inputs, targets that a model of zeros misses by more or less, and by how much."""
    targets = np.random.default_rng(size).normal(size=(size, 2)).astype(np.float32)
    return np.arange(size, dtype=np.float32)[:, None], targets, np.square(targets).sum(axis=1)


@partial(jax.jit, static_argnames="law")
def cleaned(key, inputs, targets, rate, law=None, bandwidth=1.0):
    return rc_mixup(key, inputs, targets, law=law, noise_rate=rate, bandwidth=bandwidth, predict=lambda x: 0 * targets)


def test_rc_mixup_leaves_out_no_more_where_errors_are_equal():
    inputs, targets = np.arange(10.0, dtype=np.float32)[:, None], np.ones((10, 2), np.float32)
    assert np.count_nonzero(cleaned(KEY, inputs, targets, 0.3, fixed(0.0)).weights) == 7


def test_rc_mixup_without_selection_is_c_mixup_with_a_bandwidth_of_its_own():
    inputs, targets, _ = noisy(9)
    spread = np.sqrt(np.square(targets - targets.mean(axis=0)).sum(axis=1).mean())
    made = cleaned(KEY, inputs, targets, 0.0, fixed(0.25), bandwidth=0.5)
    expected = jax.jit(partial(c_mixup, law=fixed(0.25)))(KEY, inputs, targets, bandwidth=0.5 * spread)
    np.testing.assert_allclose(made.inputs, expected[0], rtol=1e-6)
    np.testing.assert_allclose(made.targets, expected[1], rtol=1e-5)


# More than inputs and targets


def test_manifold_mixup_mixes_one_of_the_named_layers_and_only_there():
    inputs, targets = numbered(7)
    layers = ("input", "first", "second.dense")

    @jax.jit
    @jax.vmap
    def drawn(key):
        made = manifold_mixup(key, inputs, targets, law=fixed(0.25), layers=layers)
        seen = [made.inputs, made.hidden("first", inputs**2), made.hidden("second.dense", inputs**3)]
        return seen, made.targets, draw_partner(jax.random.split(key)[0], batch.whole(7))

    seen, mixed_targets, partners = jax.tree.map(np.asarray, drawn(jax.random.split(KEY, 3000)))
    before = [np.asarray(inputs) ** power for power in (1, 2, 3)]
    paired = np.any(partners != np.arange(7), axis=1)
    changed = np.stack([np.any(s != b[None], axis=(1, 2)) for s, b in zip(seen, before, strict=True)], axis=1)[paired]
    assert np.all(changed.sum(axis=1) == 1), "one layer is mixed, and what enters the others keeps its bits"
    assert np.all(np.abs(changed.mean(axis=0) - 1 / 3) < 4 * np.sqrt(2 / 9 / len(changed)))
    for layer, (s, b) in enumerate(zip(seen, before, strict=True)):
        here = np.flatnonzero(paired)[changed[:, layer]]
        np.testing.assert_allclose(s[here], 0.25 * b[None] + 0.75 * b[partners[here]], rtol=1e-6)
    np.testing.assert_allclose(mixed_targets, 0.25 * np.eye(7)[None] + 0.75 * np.eye(7)[partners], rtol=1e-6)


def test_manifold_mixup_leaves_what_is_not_named():
    made = manifold_mixup(KEY, *twelve(), law=fixed(0.25), layers=("first",))
    activations = np.ones((12, 4), np.float32)
    assert made.hidden("second", activations) is activations
    same_bits(made.inputs, twelve()[0])
    assert not np.array_equal(made.targets, twelve()[1])


def test_manifold_mixup_of_the_input_is_mixup_to_the_bit(run):
    def found(key, inputs, targets):
        return manifold_mixup(key, inputs, targets, law=uniform(), layers=("input",))[:2]

    expected = run(mixup)(KEY, *twelve(), law=uniform())
    for one, other in zip(run(found)(KEY, *twelve()), expected, strict=True):
        same_bits(one, other)


def test_manifold_mixup_keeps_the_type_of_activations(run):
    def mixed(inputs, activations):
        return manifold_mixup(KEY, inputs, twelve()[1], law=uniform(), layers=("first",)).hidden("first", activations)

    inputs = twelve()[0]
    assert run(mixed)(inputs, inputs.astype(jnp.bfloat16)).dtype == jnp.bfloat16


def test_regmixup_is_the_batch_and_its_mixup(run):
    inputs, targets = twelve()
    made = run(lambda *batch: regmixup(*batch, law=uniform(), weight=0.25)[:3])(KEY, inputs, targets)
    mixed = run(mixup)(KEY, inputs, targets, law=uniform())
    for found, plain, other in zip(made[:2], (inputs, targets), mixed, strict=True):
        same_bits(found, np.concatenate([plain, other]))
    np.testing.assert_array_equal(made[2], [1.0] * 12 + [0.25] * 12)


# The order of composition


def test_labels_are_smoothed_first_and_for_smoothing_either_order_is_the_same(run):
    inputs, targets = twelve()
    found = run(partial(METHODS["mixup"], convention="others"))(KEY, inputs, targets, smoothing=0.3, law=uniform())
    smoothed = smooth(targets, 0.3, "others")
    np.testing.assert_allclose(found[1], run(mixup)(KEY, inputs, smoothed, law=uniform())[1], rtol=1e-6)
    mixed = run(mixup)(KEY, inputs, targets, law=uniform())
    np.testing.assert_allclose(found[1], smooth(mixed[1], 0.3, "others"), rtol=1e-5, atol=1e-7)
    same_bits(found[0], mixed[0])


def test_flipping_labels_after_mixing_is_not_flipping_them_before():
    """Both have the same expected target, but after mixing a flip replaces the whole mixture by one label."""
    size, classes, rate = MANY, 10, 0.5
    labels = np.eye(classes, dtype=np.float32)[np.arange(size) % classes]

    @jax.jit
    def composed(key):
        flip_key, mix_key = jax.random.split(key)
        partner = draw_partner(mix_key, batch.whole(size))

        def mixed(targets):
            return mix(targets, jnp.asarray(targets)[partner], np.full(size, 0.3, np.float32))

        return mixed(flip(flip_key, labels, rate)), flip(flip_key, mixed(labels), rate), smooth(mixed(labels), rate)

    before, after, expected = map(np.asarray, composed(KEY))
    pure_before, pure_after = ((targets.max(axis=1) > 0.99).astype(float) for targets in (before, after))
    is_about(pure_before, 1 / classes)  # the two labels happen to agree
    is_about(pure_after, rate + (1 - rate) / classes)
    for found in (before, after):
        difference = found - expected
        assert np.all(np.abs(difference.mean(axis=0)) < 5 * difference.std(axis=0) / np.sqrt(size))


# What is refused


@pytest.mark.parametrize(
    "method, knobs, words",
    [
        (kway_mixup, {"ways": 1}, "ways is 1, must be at least 2"),
        (kway_mixup, {"alpha": 0.0}, "alpha is 0, must be in"),
        (kway_mixup, {"lam_per": "sample"}, "'sample'; use one of example, batch"),
        (manifold_mixup, {"layers": ()}, "layers is (); name one or more"),
        (manifold_mixup, {"layers": ("head", "head")}, "each once"),
        (c_mixup, {"bandwidth": 0.0}, "bandwidth is 0, must be in"),
        (rc_mixup, {"noise_rate": 1.0, "predict": spread_out}, "noise_rate is 1, must be in [0, 1)"),
        (rc_mixup, {"noise_rate": -0.1, "predict": spread_out}, "noise_rate is -0.1, must be in [0, 1)"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(method, knobs, words):
    with pytest.raises(ValueError) as caught:
        method(KEY, *numbered(3), **knobs)
    message = str(caught.value)
    assert words in message and "\n" not in message


def test_a_layer_is_named_in_a_tuple():
    """Of the string, every letter would be a layer."""
    with pytest.raises(TypeError, match=r"layers is 'head', must be a tuple of names, as in \('head',\)"):
        manifold_mixup(KEY, np.ones((2, 2)), np.eye(2), layers="head")


def test_hidden_integers_are_mixed_as_numbers():
    values = np.array([[0], [200]], np.uint8)

    @jax.jit
    def mixed(values, targets):
        made = manifold_mixup(KEY, values, targets, law=fixed(0.75), layers=("head",))
        return made.targets, made.hidden("head", values)

    targets, hidden = mixed(values, np.eye(2, dtype=int))
    np.testing.assert_allclose(hidden, np.asarray(targets) @ [[0.0], [200.0]], rtol=1e-6)


@pytest.mark.parametrize("width", [1, 3])
def test_predictions_are_of_the_shape_of_the_targets(width):
    with pytest.raises(ValueError, match=rf"outputs of predict are of shape \(4, {width}\), must be \(4, 2\)"):
        rc_mixup(KEY, np.ones((4, 2)), np.ones((4, 2)), predict=lambda x: np.ones((4, width)))


def test_near_targets_of_integers_are_those_of_floats():
    """0 - 1 is 255 in bytes: what is near would be far."""
    values = np.arange(8)[:, None]
    method = jax.jit(partial(c_mixup, law=fixed(0.3), bandwidth=0.5))
    found, expected = (method(KEY, np.float32(values), values.astype(t)) for t in (np.uint8, np.float32))
    np.testing.assert_array_equal(found[1], expected[1])
