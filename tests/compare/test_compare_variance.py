"""Rank correlations, and the parts of a loss."""

import numpy as np
import pytest
import scipy.stats

from lamv.compare import variance
from lamv.results.records import Row
from lamv.results.records import spread as spread_of
from tests import workdirs


def test_rank_correlation_is_scipys_with_ties_and_none_for_a_constant():
    rng = np.random.default_rng(0)
    for _ in range(5):
        x, y = rng.integers(0, 6, 12), rng.normal(size=12)
        expected = scipy.stats.spearmanr(x, y).statistic
        assert variance.rank_correlation(x, y) == pytest.approx(expected)
    assert variance.rank_correlation([1, 1, 1], [1, 2, 3]) is None


def test_a_loss_whose_variance_is_not_told_is_not_split():
    spread = {key: spread_of([value]) for key, value in {"augmented/loss": 0.9, "augmented/floor": 0.5}.items()}
    row = Row("Mixup", workdirs.config("mixup"), spread)
    assert variance.parts_of_loss(row) == pytest.approx({"floor": 0.5, "excess": 0.4})
    assert variance.variance_share(row) is None
