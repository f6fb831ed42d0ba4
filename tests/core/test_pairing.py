"""Who is mixed with whom: rules of pairing, and memberships that are mixed as targets are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core import batch
from lamv.core.laws import fixed, uniform
from lamv.core.methods import METHODS, apply
from lamv.core.mitigation import across_attributes, lisa, within_groups
from lamv.core.mixing import draw_partner, draw_partner_near, draw_partner_within, mixup, unmixed

KEY = jax.random.key(3)
LABELS = np.array([0, 0, 0, 1, 1, 1, 0, 1])
ATTRIBUTES = np.array([0, 1, 0, 1, 0, 1, 1, 1])
GROUPS = 2 * LABELS + ATTRIBUTES
COMBINING = [name for name, method in METHODS.items() if method.combines]
#: The same as targets and memberships.
BY_LABEL, BY_GROUP = np.eye(2, dtype=np.float32)[LABELS], np.eye(4, dtype=np.float32)[GROUPS]
KNOBS = {
    "smoothing": 0.0, "convention": "uniform", "alpha": 1.0, "law": uniform(0.1, 0.9), "target_law": None,
    "lam_per": "example", "ways": 3, "layers": ("input",), "weight": 0.5, "bandwidth": 0.7, "noise_rate": 0.2,
    "over_smoothing": 0.9, "scale_low": 0.3, "scale_high": 0.7, "decay_power": 2.0,
}  # fmt: skip
INPUTS = np.random.default_rng(0).normal(size=(8, 40)).astype(np.float32)


def augmented(name, rows, inputs, targets, memberships, **knobs):
    """What a method makes of the batch, without what it does to hidden activations.

    Not compiled: of one shape, most operations are those of other methods, and are compiled once for all of them.
    """
    offered = {
        "prior": np.full(targets.shape[1], 1 / targets.shape[1], np.float32),
        "running": np.full(targets.shape, 1 / targets.shape[1], np.float32),
        "predict": lambda inputs: jax.nn.softmax(jnp.sin(inputs[:, : targets.shape[1]])),
        "soft_labels": np.full(targets.shape[1:] * 2, 1 / targets.shape[1], np.float32),
    }
    made = apply(
        METHODS[name], KEY, inputs, targets, knobs=KNOBS | knobs, rows=rows, memberships=memberships, **offered
    )
    return made._replace(hidden=None)


RULES = {
    "within_groups": lambda rows, groups, **_: within_groups(rows, groups),
    "across_attributes": lambda rows, attributes, **_: across_attributes(rows, attributes),
    "lisa": lambda rows, labels, attributes, mix_ratio=0.5, **_: lisa(KEY, rows, labels, attributes, mix_ratio),
}


def paired(rule, rows, **of):
    return rows._replace(allowed=RULES[rule](rows, **of))


def on_parts(function, parts, *values):
    """The function of Rows and of a batch that is spread over `parts` devices, put together again."""
    cut = [value.reshape(parts, len(value) // parts, *value.shape[1:]) for value in values]
    made = jax.jit(jax.vmap(lambda *values: function(batch.part(8, "data"), *values), axis_name="data"))(*cut)
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:]), made)


# Memberships


@pytest.mark.parametrize("name", METHODS)
def test_memberships_change_nothing_else(name):
    run = partial(augmented, name, batch.whole(8))
    without = run(INPUTS, BY_LABEL, None)
    made = run(INPUTS, BY_LABEL, BY_GROUP)
    assert without.memberships is None
    for one, other in zip(made[:3], without[:3], strict=True):
        assert (one is None) == (other is None)
        assert one is None or np.asarray(one).tobytes() == np.asarray(other).tobytes()
    assert made.memberships.shape == (len(made.inputs), 4)
    np.testing.assert_allclose(made.memberships.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", COMBINING)
def test_memberships_are_mixed_as_targets_are(name):
    """Where a group is a class, the memberships are the targets; where it is two, they are sums of targets."""
    classes = np.arange(8) % 4
    by_class, by_pair = np.eye(4, dtype=np.float32)[classes], np.eye(2, dtype=np.float32)[classes // 2]
    made = augmented(name, batch.whole(8), INPUTS, by_class, by_class)
    np.testing.assert_array_equal(made.memberships, made.targets)
    pairs = augmented(name, batch.whole(8), INPUTS, by_class, by_pair).memberships
    np.testing.assert_allclose(pairs, np.asarray(made.targets).reshape(-1, 2, 2).sum(axis=2), rtol=1e-6)


@pytest.mark.parametrize("name", COMBINING)
def test_labels_are_smoothed_and_memberships_are_not(name):
    made = augmented(name, batch.whole(8), INPUTS, BY_LABEL, BY_LABEL, smoothing=0.5)
    plain = augmented(name, batch.whole(8), INPUTS, BY_LABEL, BY_LABEL)
    evenly = name != "instance_mixup"  # which smooths by what is predicted
    assert np.all(np.asarray(made.targets) >= (0.25 - 1e-6 if evenly else 1e-3))
    assert np.any(np.asarray(plain.memberships) < 0.25)
    if name not in ("c_mixup", "rc_mixup"):  # partners of smoothed targets are chosen by those
        np.testing.assert_array_equal(made.memberships, plain.memberships)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in COMBINING])
def test_methods_of_labels_alone_leave_memberships_as_they_came(name):
    memberships = BY_GROUP
    made = augmented(name, batch.whole(8), INPUTS, BY_LABEL, memberships, smoothing=0.9)
    assert made.memberships is memberships


def test_both_halves_of_regmixup_have_memberships():
    made = augmented("regmixup", batch.whole(8), INPUTS, BY_LABEL, BY_GROUP)
    np.testing.assert_array_equal(made.memberships[:8], BY_GROUP)
    mixed = np.asarray(made.memberships[8:])
    assert np.any((mixed > 0) & (mixed < 1))


# Draws among the allowed


def allowed_by(seed, size):
    allowed = np.random.default_rng(seed).random((size, size)) < 0.4
    allowed[2] = False
    return allowed


@pytest.mark.parametrize("parts", [1, 2, 8])
def test_partners_do_not_depend_on_the_number_of_devices(parts):
    targets = BY_LABEL

    def draws(rows, allowed, labels, targets):
        rows = rows._replace(allowed=allowed)
        among = np.arange(8) != 5
        return (draw_partner(KEY, rows), draw_partner_within(KEY, rows, labels),
                draw_partner_near(KEY, rows, targets, 1.0), draw_partner_near(KEY, rows, targets, 1.0, among))  # fmt: skip

    allowed = allowed_by(0, 8)
    found = on_parts(draws, parts, allowed, LABELS, targets)
    for one, other in zip(found, draws(batch.whole(8), allowed, LABELS, targets), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("draw", ["anyone", "within", "near"])
def test_partners_are_uniform_among_the_allowed(draw):
    allowed = allowed_by(1, 8)
    rows = batch.whole(8)._replace(allowed=allowed)
    of = {
        "anyone": lambda key: draw_partner(key, rows),
        "within": lambda key: draw_partner_within(key, rows, LABELS),
        "near": lambda key: draw_partner_near(key, rows, BY_LABEL, 1e6),
    }[draw]
    partners = np.asarray(jax.jit(jax.vmap(of))(jax.random.split(KEY, 4000)))
    counts = (partners[..., None] == np.arange(8)).sum(axis=0)
    expected = np.array(allowed)
    if draw == "within":
        expected &= np.equal.outer(LABELS, LABELS)
    alone = ~expected.any(axis=1)
    assert alone[2]
    expected[alone, alone] = True
    expected = 4000 * expected / expected.sum(axis=1, keepdims=True)
    assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected)), "beyond five standard deviations"


def test_the_nearest_of_the_allowed_are_the_likeliest():
    targets = np.float32([[0.0], [1.0], [3.0]])
    rows = batch.whole(3)._replace(allowed=~np.eye(3, dtype=bool))
    draw = jax.jit(jax.vmap(lambda key: draw_partner_near(key, rows, targets, 1.0)))
    partners = np.asarray(draw(jax.random.split(KEY, 4000)))
    np.testing.assert_allclose((partners[:, 0] == 1).mean(), 0.982014, atol=0.01, err_msg="without itself")


def test_everyone_allowed_is_everyone():
    rows = batch.whole(5)._replace(allowed=np.ones((5, 5), bool))
    partners = np.asarray(jax.jit(jax.vmap(lambda key: draw_partner(key, rows)))(jax.random.split(KEY, 5000)))
    counts = (partners[..., None] == np.arange(5)).sum(axis=0)
    assert np.all(np.abs(counts - 1000) < 5 * np.sqrt(1000))


# Rules


def eight():
    return {"labels": LABELS, "attributes": ATTRIBUTES, "groups": GROUPS}


def test_partners_within_groups():
    allowed = within_groups(batch.whole(8), GROUPS)
    np.testing.assert_array_equal(allowed, np.equal.outer(GROUPS, GROUPS))


def test_partners_across_attributes_may_have_another_label():
    allowed = np.asarray(across_attributes(batch.whole(8), ATTRIBUTES))
    np.testing.assert_array_equal(allowed, np.not_equal.outer(ATTRIBUTES, ATTRIBUTES))
    assert np.any(allowed & np.not_equal.outer(LABELS, LABELS))


@pytest.mark.parametrize("mix_ratio", [0.0, 0.3, 1.0])
def test_lisa_takes_one_of_two_rules_for_each_row(mix_ratio):
    rows = batch.whole(8)
    draw = jax.jit(jax.vmap(lambda key: lisa(key, rows, LABELS, ATTRIBUTES, mix_ratio)))
    allowed = np.asarray(draw(jax.random.split(KEY, 2000)))
    same_label, same_attribute = np.equal.outer(LABELS, LABELS), np.equal.outer(ATTRIBUTES, ATTRIBUTES)
    intra_label = np.all(allowed == (same_label & ~same_attribute), axis=2)
    intra_domain = np.all(allowed == (same_attribute & ~same_label), axis=2)
    assert np.all(intra_label ^ intra_domain)
    np.testing.assert_allclose(intra_label.mean(axis=0), mix_ratio, atol=5 * 0.5 / np.sqrt(2000))
    assert 0 < mix_ratio < 1 or intra_label.mean() == mix_ratio


@pytest.mark.parametrize("name", RULES)
def test_rules_do_not_depend_on_the_number_of_devices(name):
    def allowed(rows, labels, attributes, groups):
        return paired(name, rows, labels=labels, attributes=attributes, groups=groups).allowed

    whole = allowed(batch.whole(8), **eight())
    assert whole.shape == (8, 8)
    np.testing.assert_array_equal(on_parts(allowed, 4, *eight().values()), whole)


@pytest.mark.parametrize("pairing", RULES)
@pytest.mark.parametrize("name", COMBINING)
def test_every_method_that_combines_obeys_the_rules(name, pairing):
    rows = paired(pairing, batch.whole(8), **eight())
    # Memberships tell the examples apart, and so do targets, except where pairs are of one class.
    targets = BY_LABEL if name == "same_class_mixup" else np.eye(8, dtype=np.float32)
    parts = np.asarray(augmented(name, rows, INPUTS, targets, np.eye(8, dtype=np.float32)).memberships)[-8:] > 0
    allowed = np.asarray(rows.allowed) | np.eye(8, dtype=bool)
    assert np.all(allowed[parts]), "a partner that the rule forbids"
    assert np.any(parts & ~np.eye(8, dtype=bool)), "nobody has anything of anybody else"


def test_a_lone_group_is_left_as_it_is():
    groups = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    rows = paired("lisa", batch.whole(8), labels=groups, attributes=groups, groups=groups)
    assert not np.any(rows.allowed)
    targets = np.eye(2, dtype=np.float32)[groups]
    made = augmented("mixup", rows, INPUTS, targets, None)
    np.testing.assert_allclose(made.inputs, INPUTS, rtol=1e-6)
    np.testing.assert_allclose(made.targets, targets, rtol=1e-6)


def test_intra_label_pairs_keep_their_labels_and_mix_their_attributes():
    rows = paired("lisa", batch.whole(8), **eight(), mix_ratio=1.0)
    made = augmented("mixup", rows, INPUTS, BY_LABEL, BY_GROUP)
    np.testing.assert_allclose(made.targets, BY_LABEL, rtol=1e-6)
    assert np.all((np.asarray(made.memberships) > 0).sum(axis=1) == 2), (
        "two groups of one label, of which nobody is alone"
    )


@pytest.mark.parametrize("rule", RULES)
def test_pairs_that_are_not_mixed_are_those_of_mixup_each_example_at_half_weight(rule):
    rows = paired(rule, batch.whole(8), **eight())
    made = unmixed(KEY, INPUTS, BY_GROUP, rows=rows)
    partners = mixup(KEY, INPUTS, BY_GROUP, law=fixed(0.0), rows=rows)
    np.testing.assert_array_equal(made.inputs, np.concatenate([INPUTS, partners[0]]))
    np.testing.assert_array_equal(made.targets, np.concatenate([BY_GROUP, partners[1]]))
    np.testing.assert_array_equal(made.weights, np.full(16, 0.5))
