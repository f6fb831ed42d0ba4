"""The loss on a method's own inputs: which inputs these are, and that no loss is below its bounds."""

import jax
import numpy as np
import pytest

from lamv.core import bounds
from lamv.evaluate.own_inputs import NODES, augmented, nodes
from lamv.evaluate.passes import Passes
from tests.evaluate.rows import STEPS, by_hand, evaluated_rows, recipe

cell_bounds = jax.jit(bounds.cell_bounds, static_argnames="num_cells")


def test_own_inputs_are_made_by_the_method_at_the_lam_given(mixup):
    [replicas], passes = mixup.replicas, Passes(mixup)
    points = nodes(passes, STEPS)
    assert len(points) == NODES and sum(weight for _, weight in points) == pytest.approx(1)
    lam = points[1][0]
    own = augmented(passes, replicas, STEPS, 100, lam)
    assert own["targets"].shape == (2, 96, 10), "whole batches of 32, up to 100"
    mixed = np.sort(own["targets"], axis=-1)[..., ::-1]
    np.testing.assert_allclose(own["targets"].sum(-1), 1, atol=1e-6)
    two = mixed[..., 1] > 0
    assert two.mean() > 0.7, "most partners are of another class"
    np.testing.assert_allclose(mixed[two][:, 0], max(lam, 1 - lam), atol=1e-6)
    np.testing.assert_allclose(mixed[~two][:, 0], 1, atol=1e-6)
    again = augmented(passes, replicas, STEPS, 100, points[2][0])
    assert not np.allclose(again["outputs"], own["outputs"]), "lam is an argument, not a constant of the program"


def test_own_inputs_of_a_method_without_a_law_are_those_of_training(mlp):
    passes = Passes(mlp)
    assert nodes(passes, STEPS) == [(None, 1.0)]
    own = augmented(passes, mlp.replicas[0], STEPS, 10_000)
    assert own["targets"].shape == (2, 192, 10), "an epoch of whole batches at the most"
    assert set(np.unique(own["targets"])) == {0.0, 1.0}
    values, labels = by_hand(mlp, mlp.view.train)
    # Each example of the training set comes at most once, so counts of classes cannot exceed those of the set.
    assert np.all(own["targets"].sum(axis=1) <= np.stack([np.bincount(y, minlength=10) for y in labels]))
    distance = np.abs(own["outputs"][0][:, None] - values["outputs"][0][None]).max(axis=-1)
    assert distance.min(axis=1).max() < 1e-4, "every one of them is an example of the training set"


@pytest.mark.parametrize("run", ["mlp", "mixup"])
def test_the_loss_on_own_inputs_is_never_below_its_bounds(run, request):
    run = request.getfixturevalue(run)
    [replicas], passes = run.replicas, Passes(run)
    for lam, _ in nodes(passes, STEPS):
        own = augmented(passes, replicas, STEPS, 192, lam)
        for replica in range(2):
            targets = own["targets"][replica]
            cells = np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)
            found = cell_bounds(own["outputs"][replica], targets, cells, len(cells))
            loss = -(targets * np.log(own["outputs"][replica].astype(np.float64))).sum(axis=1).mean()
            assert loss == pytest.approx(float(found["loss"]), rel=1e-5)
            assert found["loss"] >= found["bound_sharp"] - 1e-6 >= found["bound_half"] - 2e-6


REASONS = {
    "kway_mixup": "no variance within cells",
    "regmixup": "no bounds on its own inputs, as its method weighs",
    "sigmoid": "no bounds on its own inputs, as its loss is not",
}


@pytest.fixture(scope="module")
def unbounded():
    rows = {"kway_mixup": {"method.name": "kway_mixup"}, "regmixup": {"method.name": "regmixup"},
            "sigmoid": {"loss.name": "sigmoid"}}  # fmt: skip
    config = recipe(rows, seeds=1, **{"data.classes": (3, 8), "data.train_size": 200})
    return dict(zip(rows, evaluated_rows(config), strict=True))


@pytest.mark.parametrize("row", REASONS)
def test_what_cannot_be_measured_is_noted(unbounded, row):
    evaluation, [result] = unbounded[row]
    metrics, notes = result.metrics, evaluation.notes
    assert any(REASONS[row] in note for note in notes) and any("takes three classes" in note for note in notes)
    assert "augmented/bound_half" not in metrics and ("augmented/loss" in metrics) == (row == "kway_mixup")
    assert "test/collapse/nc1" in metrics and "train/information" in metrics
