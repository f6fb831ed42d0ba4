"""Variance beside accuracy and in the loss, from what was evaluated: shares, parts of the loss, rank correlations."""

from collections.abc import Sequence

from lamv.results.records import Row, Spread, spread


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's; None where either is constant."""
    from scipy.stats import spearmanr  # a second to import, and few pages need it

    return float(spearmanr(x, y).statistic) if len(set(x)) > 1 and len(set(y)) > 1 else None


def parts_of_loss(row: Row) -> dict[str, float]:
    """{"floor", "kl", "variance_half", "sharpened", "slack_sharp"} of the loss on augmented inputs, which they add up to.

    {"floor", "excess"} where the variance was not measured; {} where neither was the loss.
    """
    keys = ("loss", "floor", "kl", "variance_half", "variance_sharp")
    loss, floor, kl, half, sharp = (row.mean(f"augmented/{key}") for key in keys)
    if loss is None or floor is None:
        return {}
    if kl is None or half is None or sharp is None:
        return {"floor": floor, "excess": loss - floor}
    slack = loss - (floor + kl + sharp)
    return {"floor": floor, "kl": kl, "variance_half": half, "sharpened": sharp - half, "slack_sharp": slack}


def variance_share(row: Row) -> Spread | None:
    """The sharp variance term over the loss, seed by seed; None where neither was measured or the loss is not above 0."""
    sharp, loss = (row.by_seed(f"augmented/{key}") for key in ("variance_sharp", "loss"))
    shares = [sharp[seed] / loss[seed] for seed in sharp if loss.get(seed, 0.0) > 0]
    return spread(shares) if shares else None


def accuracy_key(row: Row) -> str:
    """Test accuracy; with a planted cue that under a random one, since under the cue all rows are near 1."""
    planted = row.knob("data.shortcut.kind", "none") != "none" and "test_random/accuracy" in row.metrics
    return "test_random/accuracy" if planted else "test/accuracy"


def variance_and_accuracy(row: Row, where: str) -> tuple[Spread, Spread] | None:
    """Within-class variance of "features" or "outputs", and accuracy; None where either was not measured."""
    variance, accuracy = row.metrics.get(f"test/{where}/within_variance"), row.metrics.get(accuracy_key(row))
    return (variance, accuracy) if variance and accuracy else None
