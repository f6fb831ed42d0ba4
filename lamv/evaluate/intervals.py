"""Bootstrap intervals over test examples, of a row of one seed and of its difference to its baseline."""

from collections.abc import Mapping, Sequence

import numpy as np

from lamv import config as configs
from lamv.compare.baseline import baseline_of
from lamv.core.intervals import difference_over_examples, over_examples
from lamv.results.records import Row


def baselines(rows: Sequence[configs.Variant]) -> dict[int, int]:
    """Number of a row -> number of the ERM row that differs from it in the method only."""
    plain = [Row(row.name, configs.nested(row.config), {}) for row in rows]
    bases = ((number, baseline_of(row, plain)) for number, row in enumerate(plain))
    return {number: plain.index(base) for number, base in bases if base is not None}


def interval_curves(
    values: Mapping[str, np.ndarray], baseline: Mapping[str, np.ndarray] | None, against: str | None
) -> list[dict]:
    """A curve for each metric, and for its difference to `baseline` on the same examples; {metric: (N,)} of each.

    against: name of the baseline's row.
    """
    curves = []
    for name, of_examples in values.items():
        pairs = [(None, over_examples(of_examples))]
        if baseline is not None:
            pairs.append((against, difference_over_examples(of_examples, baseline[name])))
        for other, (mean, low, high) in pairs:
            curves.append({
                "split": "test", "kind": "interval", "metric": f"test/{name}", "mean": mean, "low": low, "high": high,
                "examples": len(of_examples), "against": other,
            })  # fmt: skip
    return curves
