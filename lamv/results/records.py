"""A run as records: its rows, metrics over seeds, and claims, as lamv.results.runs reads them from a workdir."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv.claims import Claim
from lamv.results.analysis import Analysis
from lamv.results.legend import Legend


class Spread(NamedTuple):
    """A metric over the seeds of a row; sd has n - 1 in its denominator and is None for n = 1."""

    mean: float
    sd: float | None
    n: int
    values: tuple[float, ...]


class Row(NamedTuple):
    """The result of a row. step: of its metrics, None for the end of training.

    seeds: {metric: seeds of its values}, where they are not seed, seed + 1, ... selected: steps chosen by model selection,
    seed by seed; () where the metrics are of one step. legend: names of classes and groups.
    """

    name: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Spread]
    step: int | None = None
    seeds: Mapping[str, Sequence[int]] = {}
    selected: Sequence[int] = ()
    legend: Legend = Legend()

    def mean(self, metric: str) -> float | None:
        return self.metrics[metric].mean if metric in self.metrics else None

    def knob(self, key: str, default: Any = None) -> Any:
        """A value of the config by its dotted key."""
        value: Any = self.config
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return default
            value = value[part]
        return value

    def by_seed(self, metric: str) -> dict[int, float]:
        """{seed: value}; {} for what was not measured."""
        if metric not in self.metrics:
            return {}
        values, first = self.metrics[metric].values, self.knob("seed", 0)
        seeds = self.seeds.get(metric) or range(first, first + len(values))
        return dict(zip(seeds, values, strict=True))

    @property
    def n(self) -> int:
        """Seeds of the metric that has most."""
        return max((spread.n for spread in self.metrics.values()), default=0)


class Published(NamedTuple):
    """A number of others, for a row of a recipe, and where it was published."""

    row: str
    metric: str
    value: float
    source: str


class Run(NamedTuple):
    """A workdir. data: description of the data set (lamv.data.description). notes: what is missing, a sentence each."""

    path: Path
    title: str
    about: str
    overrides: Mapping[str, Any]
    rows: Sequence[Row]
    claims: Sequence[Claim]
    lines: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]
    notes: Sequence[str]
    finished: bool
    analysis: Analysis = Analysis()
    data: Mapping[str, Any] = {}
    published: Sequence[Published] = ()

    @property
    def state(self) -> str:
        """ "finished", or "running", also of an interrupted run."""
        return "finished" if self.finished else "running"

    @property
    def end(self) -> int | None:
        """The last step of any line; None without lines."""
        return max((line["step"] for line in self.lines), default=None)

    @property
    def num_classes(self) -> int | None:
        """K, from metrics of the outputs, which have one unit a class; None where they were not measured."""
        for row in self.rows:
            whole, unit = (row.mean(f"test/outputs/within_variance{suffix}") for suffix in ("", "_per_unit"))
            if whole and unit:
                return round(whole / unit)
        return None

    @property
    def cue(self) -> str:
        """Kind of the planted shortcut; "" where no row has one."""
        kinds = [row.knob("data.shortcut.kind", "none") for row in self.rows]
        return next((kind for kind in kinds if kind != "none"), "")


def spread(values: Sequence[float]) -> Spread:
    """Mean, sd and n of the values of the seeds."""
    mean = statistics.fmean(values)
    # statistics.stdev is exact, and slow: most of the time of a page on many runs.
    squares = math.fsum((value - mean) ** 2 for value in values)
    sd = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
    return Spread(mean, sd, len(values), tuple(values))


def curve(run: Run, row: str, metric: str) -> list[tuple[int, Spread]]:
    """(step, spread over the seeds) of a metric, for the steps where training or the evaluation measured it."""
    by_step: dict[int, dict[int, float]] = {}
    for line in (*run.lines, *run.analysis.lines):
        if line["row"] == row and metric in line:
            by_step.setdefault(line["step"], {})[line["replica"]] = line[metric]
    return [(step, spread(list(values.values()))) for step, values in sorted(by_step.items())]
