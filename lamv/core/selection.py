"""Selective prediction: which predictions to trust first, and how wide their margins are; numpy, float64.

A model that may abstain answers on the n examples that it scores highest. For n = 1 ... N,

    coverage_n = n / N,   risk_n = (errors among the n highest scores) / n,   AURC = (1 / N) sum_n risk_n

(Geifman & El-Yaniv 2017; Geifman et al. 2019). A perfect score puts all errors last; a score that knows nothing has the
error rate as its expected AURC. AURC weighs errors of the surest predictions most, as they are in all n; the mean of the
generalised risk, (errors among the n highest scores) / N, does not: AUGRC (Traub et al. 2024). Label smoothing can make the
score worse where it makes accuracy better (Xia et al. 2024), as it lowers the largest logit most where the prediction is
right.

logits (N, K) with K >= 2, labels (N,) int in [0, K), score (N,), correct (N,) of 0 / 1. ValueError for anything else.
"""

from functools import partial

import numpy as np

from lamv.core.calibration import checked, checked_correct, checked_logits, tie_means

PERCENTILES = {"margin_p1": 1, "margin_p5": 5, "margin_p25": 25, "margin_median": 50}


def scores(logits) -> dict[str, np.ndarray]:
    """Three scores of logits (N, K), each (N,); the larger, the surer. Only their order is meant to be used.

    max_probability: the largest log softmax. It orders as the largest probability does, but does not saturate at 1.
    max_logit: max_k z_k. Unlike the others it sees a shift of all logits of an example.
    max_logit_normalised: max_k (z_k - mean z) / ||z - mean z|| (Cattelan & Silva 2023; Xia et al. 2024 for label
    smoothing); in [0, 1], and 0 where all logits are equal. For K = 2 it is the constant 2^(-1/2) and selects nothing.
    """
    logits = checked_logits(logits)
    largest = logits.max(axis=1)
    others = np.exp(logits - largest[:, None])
    others[np.arange(len(logits)), logits.argmax(axis=1)] = 0.0
    # In units of the largest deviation: the square of any other could leave what floats hold.
    apart = _centred(logits)
    size = np.abs(apart).max(axis=1, keepdims=True)
    apart = apart / np.where(size > 0, size, 1.0)
    norm = np.linalg.norm(apart, axis=1)
    normalised = apart.max(axis=1) / np.where(norm > 0, norm, 1.0)
    return {
        "max_probability": -np.log1p(others.sum(axis=1)),
        "max_logit": largest,
        # What differs by the rounding of the norm alone is a tie, above all where K = 2.
        "max_logit_normalised": np.round(normalised, 12),
    }


def risk_coverage(score, correct) -> tuple[np.ndarray, np.ndarray]:
    """coverage and risk, (N,) each, of score (N,) and correct (N,): from the highest score alone to all examples.

    Examples of equal score share their mean error, as if they came in random order; the order given does not matter.
    """
    score, correct = np.asarray(score, np.float64), np.asarray(correct, np.float64)
    if score.ndim != 1 or score.shape != correct.shape or not len(score):
        raise ValueError(
            f"score and correct are of shapes {score.shape} and {correct.shape}, must both be (N,), N >= 1"
        )
    if np.isnan(score).any():
        raise ValueError("score holds nan, must be numbers that can be ordered")
    errors = tie_means(score, 1 - checked_correct(correct))[np.argsort(-score, kind="stable")]
    number = np.arange(1, len(score) + 1)
    return number / len(score), np.cumsum(errors) / number


def aurc(score, correct) -> float:
    """The area under the risk-coverage curve, in [0, 1]: the mean of the risk over the N coverages."""
    return float(risk_coverage(score, correct)[1].mean())


def augrc(score, correct) -> float:
    """The mean of the generalised risk, coverage x risk, over the N coverages: in [0, 1/2] but for 1 / (2 N)."""
    coverage, risk = risk_coverage(score, correct)
    return float((coverage * risk).mean())


def coverage_at(risk_limit: float, score, correct) -> float:
    """The largest coverage at which the risk is at most `risk_limit`, in [0, 1]; 0 where there is none."""
    coverage, risk = risk_coverage(score, correct)
    return float(coverage[risk <= risk_limit + 1e-12].max(initial=0.0))


def risk_at(coverage_wanted: float, score, correct) -> float:
    """The risk at the smallest coverage that is at least `coverage_wanted`, in (0, 1]."""
    coverage, risk = risk_coverage(score, correct)
    return float(risk[np.argmax(coverage >= coverage_wanted - 1e-12)])


def thinned(coverage: np.ndarray, risk: np.ndarray, *, points: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """At most `points` >= 2 points of a curve for a figure, at even steps of coverage, with the first and the last."""
    if points < 2:
        raise ValueError(f"points is {points}, must be 2 or more")
    kept = np.unique(np.linspace(0, len(coverage) - 1, points).round().astype(int))
    return coverage[kept], risk[kept]


def selection_metrics(logits, labels) -> dict[str, float]:
    """Of logits (N, K) and labels (N,): aurc, augrc, coverage_at_risk_5 and risk_at_coverage_80, in [0, 1].

    By max_probability; with _max_logit or _normalised behind the name by the other scores. 5 and 80 are in %.
    """
    logits, labels = checked(logits, labels)
    correct = logits.argmax(axis=1) == labels
    endings = {"max_probability": "", "max_logit": "_max_logit", "max_logit_normalised": "_normalised"}
    by_score = {endings[name]: score for name, score in scores(logits).items()}
    return {
        f"{name}{ending}": measure(score, correct)
        for name, measure in MEASURES.items()
        for ending, score in by_score.items()
    }


#: Of a score and of what is correct.
MEASURES = {
    "aurc": aurc,
    "augrc": augrc,
    "coverage_at_risk_5": partial(coverage_at, 0.05),
    "risk_at_coverage_80": partial(risk_at, 0.8),
}


def margins(logits, labels) -> np.ndarray:
    """z_y - max_{j != y} z_j of each example: (N,), negative where the prediction is wrong."""
    logits, labels = checked(logits, labels)
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return logits[rows, labels] - others.max(axis=1)


def margin_metrics(logits, labels) -> dict[str, float]:
    """How margins are spread over the examples: margin_min, _p1, _p5, _p25, _median (percentiles), _mean and _cv.

    margin_cv = standard deviation (1 / N) / mean: of training margins, the lower the more uniform the solution. It is
    left out where the mean is not positive, as it has no meaning there. max_logit_mean: the mean of max_k z_k.
    logit_norm_mean: the mean of ||z - mean z||_2, which a shift of all logits leaves as it is.
    """
    logits, labels = checked(logits, labels)
    margin = margins(logits, labels)
    metrics = {"margin_min": margin.min(), "margin_mean": margin.mean()}
    metrics |= dict(zip(PERCENTILES, np.percentile(margin, list(PERCENTILES.values())), strict=True))
    if margin.mean() > 0:
        metrics["margin_cv"] = margin.std() / margin.mean()
    metrics["max_logit_mean"] = logits.max(axis=1).mean()
    metrics["logit_norm_mean"] = np.linalg.norm(_centred(logits), axis=1).mean()
    return {name: float(value) for name, value in metrics.items()}


def _centred(logits: np.ndarray) -> np.ndarray:
    return logits - logits.mean(axis=1, keepdims=True)
