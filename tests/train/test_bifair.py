"""BiFair: the outer derivative by finite differences, weights of mixtures, and the state of an interrupted run."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special

from lamv.train.optimisation import optimiser
from tests.train.test_mitigated import LINEAR, assert_same, changed, rows_of, run_of

RATE, UTILITY, STEPS = 0.5, 0.7, 2
#: All examples in every batch, so that their order does not matter.
FULL = LINEAR | {
    "method.name": "erm", "batch_size": 200, "optim.name": "sgd", "optim.lr": RATE, "optim.momentum": 0.0,
    "optim.schedule": "constant", "mitigation.name": "bifair", "mitigation.utility": UTILITY,
    "mitigation.inner_steps": STEPS,
}  # fmt: skip


@pytest.fixture(scope="module")
def full():
    """(a run at step 0, its arrays then, and after one step)."""
    run = run_of(**FULL)
    before = run.arrays()
    run.advance(0, 1)
    return run, before, run.arrays()


def examples_of(run, replica):
    """Inputs (N, D) with a column of ones, labels and groups of the training set of a replica."""
    [replicas] = run.replicas
    table, program = replicas.of(run.view.train), run.program
    seen = run.functions.get(
        "seen", lambda: run.layout.mapped(
            lambda table, knobs, examples: program.batches.at(examples, table, np.arange(200), knobs).inputs, shared=1
        ),
    )(replicas.train, replicas.knobs, run.examples)  # fmt: skip
    inputs = np.asarray(seen[replica], np.float64)
    return np.column_stack([inputs, np.ones(200)]), run.labels_of(table, replica), table.groups[replica]


def objective(weights, start, inputs, labels, groups):
    """F(theta_2(w)) + utility x mean loss of a softmax regression, in float64 and without lamv."""
    theta, one_hot = start, np.eye(2)[labels]
    for _ in range(STEPS):
        slopes = scipy.special.softmax(inputs @ theta, axis=1) - one_hot
        theta = theta - RATE * inputs.T @ (weights[:, None] * slopes) / len(labels)
    losses = -scipy.special.log_softmax(inputs @ theta, axis=1)[np.arange(len(labels)), labels]
    risk = [losses[groups == group].mean() for group in range(4)]
    return (abs(risk[0] - risk[1]) + abs(risk[2] - risk[3])) / 2 + UTILITY * losses.mean()


def test_the_weights_move_by_the_derivative_through_the_inner_steps(full):
    run, before, after = full
    for r in range(2):
        data = examples_of(run, r)
        start = np.vstack([before["params.first.kernel"][r], before["params.first.bias"][r]]).astype(np.float64)
        for example in (0, 7, 91, 199):
            nudge = 1e-4 * (np.arange(200) == example)
            by_hand = (objective(1 + nudge, start, *data) - objective(1 - nudge, start, *data)) / 2e-4
            # After one step Adam's first moment is a tenth of the derivative.
            assert 10 * after["mitigation.first"][r, example] == pytest.approx(by_hand, rel=2e-3, abs=2e-8)
    moved = np.abs(after["mitigation.weights"] - 1)
    np.testing.assert_allclose(moved[np.abs(after["mitigation.first"]) > 1e-6], 1e-3, rtol=0.02)


def test_a_step_is_so_many_updates_with_weights_of_one_at_first(full):
    run, before, after = full
    inputs, labels, _ = examples_of(run, 0)
    theta = np.vstack([before["params.first.kernel"][0], before["params.first.bias"][0]]).astype(np.float64)
    for _ in range(STEPS):
        theta -= RATE * inputs.T @ (scipy.special.softmax(inputs @ theta, axis=1) - np.eye(2)[labels]) / 200
    np.testing.assert_allclose(after["params.first.kernel"][0], theta[:-1], rtol=1e-4, atol=1e-6)
    assert after["loss_steps"].tolist() == [STEPS] * 2


def test_a_mixture_has_the_mixture_of_the_weights():
    run = run_of(**LINEAR, **{"mitigation.name": "bifair"})
    [replicas] = run.replicas

    def made(state, knobs, table, examples, t):
        drawn = run.program.drawn(state, knobs, table, examples, t)
        made = run.program.augmented(drawn, state, knobs, stage=0)
        return made.memberships, made.targets, drawn.labels

    # The weight of an example is its label: a mixture then has the target of its second class.
    labels = np.stack([run.labels_of(replicas.of(run.view.train), r) for r in range(2)]).astype(np.float32)
    state = replicas.state._replace(mitigation={**replicas.state.mitigation, "weights": labels})
    call = run.layout.mapped(made, shared=2)
    weights, targets, own = call(state, replicas.knobs, replicas.train, run.examples, np.int32(0))
    np.testing.assert_allclose(weights[..., 0], targets[..., 1], rtol=1e-6)
    assert not np.array_equal(weights[..., 0], own)


def test_an_interrupted_run_ends_as_one_that_was_not():
    knobs = LINEAR | {"method.name": "mixup", "mitigation.name": "bifair"}
    whole, first, second = run_of(**knobs), run_of(**knobs), run_of(**knobs)
    whole.advance(0, 8)
    first.advance(0, 3)
    second.load(first.arrays())
    second.advance(3, 8)
    assert_same(whole.arrays(), second.arrays(), rtol=0, atol=0)
    weights = whole.arrays()["mitigation.weights"]
    # Also through Adam, whose second moment is 0 for pixels that are 0 in all images.
    assert np.all(np.isfinite(weights)) and weights.std() > 1e-4 and changed(whole.arrays(), first.arrays())


def test_the_schedule_counts_steps_of_the_run_and_not_updates():
    [row] = rows_of({"mitigation.name": "bifair", "optim.name": "sgd", "optim.momentum": 0.0, "optim.lr": 1.0})
    plain = optimiser(row.config, SimpleNamespace(lr=1.0, steps=2, weight_decay=0.0))
    rates, state = [], plain.init(np.zeros(1))
    for _ in range(4):
        update, state = plain.update(np.ones(1), state)
        rates.append(-float(update[0]))
    np.testing.assert_allclose(rates, [1, 1, 0.5, 0.5], atol=1e-6)
