"""Projections are of the classes asked for; views of an example, for the information in its logits, differ."""

import jax
import numpy as np
import pytest

import lamv.evaluate
from lamv.core.projection import project, template_plane
from lamv.evaluate import Evaluator, Options
from lamv.evaluate.passes import Passes
from lamv.evaluate.representation import PROJECTED, groups, mixed_projection, projection, views
from lamv.evaluate.snapshot import Snapshot
from tests.evaluate.rows import STEPS, evaluated, recipe


def test_examples_of_three_classes_are_projected_with_their_templates(monkeypatch):
    monkeypatch.setattr(lamv.evaluate, "EVALUATORS", (Evaluator(projection),))
    evaluation, results = evaluated(recipe({"ERM": {}}), classes=(7, 1, 4))
    for result in results:
        assert [curve["split"] for curve in result.curves] == ["train", "test"]
        for curve in result.curves:
            assert curve["names"] == ["7", "1", "4"] and len(curve["x"]) == len(curve["y"]) == len(curve["label"])
            counts = np.bincount(curve["label"])
            assert len(counts) == 3 and counts.min() == counts.max() <= PROJECTED
            (x_a, y_a), (x_b, y_b), (_, y_c) = curve["templates"]
            assert x_a < x_b and abs(y_a - y_b) < 1e-4 < y_c, "from the first to the second; the third above"
    assert not evaluation.notes


def test_mixed_inputs_are_projected_with_the_shares_of_their_targets(mixup):
    [replicas], passes = mixup.replicas, Passes(mixup)
    snapshot = Snapshot(passes, replicas, Options(examples=64), STEPS, {})
    first, second = mixed_projection(snapshot)
    [curve] = first.curves
    shares = np.array(curve["shares"])
    assert shares.shape == (3, len(curve["x"])) and len(curve["x"]) > 10
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-4)
    assert np.any((shares > 0.02).sum(axis=0) == 2), "some are of two classes"
    assert curve["x"] != second.curves[0]["x"], "each seed has a network of its own"
    # Where a point lies: its features, in the plane of the templates.
    plane = template_plane(snapshot.last_kernels[0].T[:3])
    everywhere = np.concatenate([project(values["features"][0], plane) for _, _, values in snapshot.own_inputs])
    for point in np.transpose([curve["x"], curve["y"]])[:5]:
        assert np.abs(everywhere - point).max(axis=1).min() < 1e-3


def test_what_is_not_mixed_has_no_mixed_projection(mlp):
    assert mixed_projection(Snapshot(Passes(mlp), mlp.replicas[0], Options(), STEPS, {})) == []


def test_the_views_of_an_image_differ_and_do_not_depend_on_the_others(mlp):
    [replicas], passes = mlp.replicas, Passes(mlp)
    table = jax.tree.map(lambda values: values[:, :20], mlp.view.tests["test"])
    drawn = views(passes, replicas, table, 3)
    assert drawn.shape == (2, 20, 3, 10)
    assert np.all(np.abs(drawn[:, :, 0] - drawn[:, :, 1]).max(axis=-1) > 0)
    np.testing.assert_array_equal(views(passes, replicas, table, 2), drawn[:, :, :2])


def test_variances_within_groups_are_of_the_split_with_a_random_cue_too(monkeypatch):
    monkeypatch.setattr(lamv.evaluate, "EVALUATORS", (Evaluator(groups),))
    knobs = {"data.shortcut.kind": "tag", "data.classes": (1, 8)}
    evaluation, results = evaluated(recipe({"ERM": {}}, **{"data.train_size": 200, **knobs}))
    view = evaluation.row.view
    [replicas] = evaluation.row.replicas
    for r, result in enumerate(results):
        assert {key.split("/")[0] for key in result.metrics} == {"test", "test_random"}
        assert {key for key in result.metrics if key.startswith("test/")} == {
            f"test/group_{y}_{y}/{what}" for y in (0, 1) for what in ("within_variance", "top_eigenvalue")
        }, "the cue is always right"
        table = replicas.of(view.tests["test_random"])
        features = evaluation.passes.activations(replicas, table, wheres=("features",))["features"][r]
        own = features[table.groups[r] == 1].astype(float)
        assert result.metrics["test_random/group_0_1/within_variance"] == pytest.approx(own.var(axis=0).sum(), rel=1e-6)
        largest = np.linalg.eigvalsh(np.cov(own.T, bias=True))[-1]
        assert result.metrics["test_random/group_0_1/top_eigenvalue"] == pytest.approx(largest, rel=1e-6)
