"""Attacks and corruptions: none of size 0, and more damage by larger ones."""

import jax
import numpy as np

from lamv.evaluate import robustness
from lamv.evaluate.passes import Passes
from lamv.evaluate.robustness import attacked, corrupted
from lamv.models.layers import hidden_layers
from tests.evaluate.rows import trained


def test_attacks_and_corruptions_of_size_nothing_change_nothing_and_larger_ones_do(monkeypatch):
    monkeypatch.setattr(robustness, "ASCENTS", 4)  # they are unrolled here, and take long to compile
    run = trained(
        **{"model.name": "cnn", "model.widths": (4, 8), "data.flatten": False, "data.normalise": True, "seeds": 1}
    )
    [replicas], passes = run.replicas, Passes(run)
    table = jax.tree.map(lambda values: values[:, :64], run.view.tests["test"])
    labels = np.asarray(run.examples.labels)[table.rows[0]]
    clean = passes.statistics(replicas, table).logits

    def loss(logits):
        shifted = logits[0] - logits[0].max(-1, keepdims=True)
        return -(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))[np.arange(64), labels].mean()

    for kind in ("fgsm", "pgd"):
        np.testing.assert_allclose(attacked(passes, replicas, table, kind, 0.0), clean, rtol=1e-5, atol=1e-5)
        losses = [loss(attacked(passes, replicas, table, kind, eps)) for eps in (0.02, 0.1)]
        assert loss(clean) < losses[0] < losses[1]
    assert loss(attacked(passes, replicas, table, "pgd", 0.1)) >= losses[1] - 1e-5
    for kind in ("noise", "contrast"):
        np.testing.assert_allclose(corrupted(passes, replicas, table, kind, 0.0), clean, rtol=1e-4, atol=1e-4)
        assert np.abs(corrupted(passes, replicas, table, kind, 0.5) - clean).max() > 0.1
    assert hidden_layers(run.program.model, run.view.shape) == ["conv0"]
    assert passes.activations(replicas, table)["layers/conv0"].shape[-1] in (4, 64)
