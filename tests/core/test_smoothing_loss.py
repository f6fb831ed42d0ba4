"""What smoothing adds to the loss, by hand: on right and on wrong predictions, below and above the label's logit."""

import numpy as np
import pytest

from lamv.core.losses import cross_entropy, max_suppression
from lamv.core.smoothing_loss import smoothing_parts
from lamv.core.targets import one_hot, smooth

#: Right by far; a tie for the largest, which counts as right; wrong with one logit above; the smallest of all.
LOGITS = np.array([[3, 0, 0, 1], [2, 2, 0, 0], [1, 4, 0, -1], [5, 1, 1, -3]], np.float32)
LABELS = np.array([0, 1, 0, 3])
BY_HAND = {
    "term": (2 + 1 + 0 - 4) / 4, "right": (2 + 1) / 4, "wrong": (0 - 4) / 4,
    "regularisation": (8 + 4 + 3 + 0) / 16, "amplification": (0 + 0 - 3 - 16) / 16,
    "apart": (0 + 0 + 3 + 8) / 4, "fitted": 2 / 4,
}  # fmt: skip


def test_the_parts_are_what_they_are_by_hand():
    parts = smoothing_parts(LOGITS, LABELS)
    assert parts == pytest.approx({f"smoothing/{name}": value for name, value in BY_HAND.items()})


def test_two_splits_of_one_term_that_a_shift_of_the_logits_leaves():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 5)), rng.integers(0, 5, 50)
    parts = smoothing_parts(logits + rng.normal(size=(50, 1)), labels)
    assert parts == pytest.approx(dict(smoothing_parts(logits, labels)))
    for pair in (("right", "wrong"), ("regularisation", "amplification")):
        assert sum(parts[f"smoothing/{part}"] for part in pair) == pytest.approx(parts["smoothing/term"])
    assert parts["smoothing/amplification"] < 0 < parts["smoothing/apart"] and parts["smoothing/right"] > 0


def test_they_are_what_the_losses_add():
    plain, targets = one_hot(LABELS, 4), smooth(one_hot(LABELS, 4), 0.3)
    added = cross_entropy(LOGITS, targets).mean() - cross_entropy(LOGITS, plain).mean()
    parts = smoothing_parts(LOGITS, LABELS)
    assert float(added) == pytest.approx(0.3 * parts["smoothing/term"], abs=1e-6)
    maxsup = float(max_suppression(LOGITS).mean())
    assert maxsup - parts["smoothing/term"] == pytest.approx(parts["smoothing/apart"], abs=1e-6)


@pytest.mark.parametrize(
    "labels, message", [(np.array([0, 1]), "labels are of shape"), (LABELS + 1, "must be integers")]
)
def test_labels_are_those_of_the_logits(labels, message):
    with pytest.raises(ValueError, match=message):
        smoothing_parts(LOGITS, labels)
