"""Cohorts: rows of one or several workdirs that agree in all but method and seed.

The rows of one method are pooled: their seeds count together. Methods are compared with ERM on the seeds that both have.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamv.catalog import methods, mitigations
from lamv.compare import selections
from lamv.compare.baseline import METHOD, is_erm, method_key, settings_of
from lamv.core.intervals import over_seeds
from lamv.results import legend
from lamv.results.analysis import ExampleInterval
from lamv.results.legend import Legend
from lamv.results.records import Row, Run

#: Knobs that do not change what is learned from a seed, and the seeds themselves.
IGNORED = (
    "seed", "seeds", "title", "about", "eval_batch_size", "log_every", "eval_every", "checkpoint_every", "keep_checkpoints",
    "data.path", "data.verify", "data.eval_train_size", "parallel.",
)  # fmt: skip


class Member(NamedTuple):
    """A row and its workdir, as the page names it; intervals: over examples, of a row of one seed."""

    workdir: str
    row: Row
    end: int | None
    intervals: Mapping[tuple[str, str | None], ExampleInterval] = {}

    @property
    def origin(self) -> str:
        """Workdir and step of the numbers: "digits/a (step 600)"."""
        if chosen := selections.steps_in_short(self.row):
            return f"{self.workdir} (chosen steps, {chosen})"
        return f"{self.workdir} ({'the end of training' if self.end is None else f'step {self.end}'})"


class PooledMethod(NamedTuple):
    """values: {metric: {seed: value}}. intervals: over examples, of a single seed, {(metric, ERM row or None): interval}."""

    name: str
    short: str
    erm: bool
    members: tuple[Member, ...]
    values: Mapping[str, Mapping[int, float]]
    intervals: Mapping[tuple[str, str | None], ExampleInterval]

    @property
    def n(self) -> int:
        """Seeds of the metric that has most."""
        return max(map(len, self.values.values()), default=0)


class Cohort(NamedTuple):
    """baseline: the ERM among the methods, or None. mitigation: of all rows, in short. selection: sentence on their steps.

    settings: the knobs that tell it from other cohorts. legend: names of classes and attributes, where all rows share them.
    """

    title: str
    settings: str
    methods: tuple[PooledMethod, ...]
    baseline: PooledMethod | None
    notes: tuple[str, ...] = ()
    mitigation: str = ""
    selection: str = ""
    legend: Legend = Legend()

    @property
    def metrics(self) -> set[str]:
        """Those measured for any method."""
        return {metric for method in self.methods for metric in method.values}

    def origins(self, most: int = 6) -> str:
        """The first workdirs and steps: "digits/a (step 600), digits/b (step 900) and 3 more"."""
        origins = list(dict.fromkeys(member.origin for method in self.methods for member in method.members))
        return ", ".join(origins[:most]) + (f" and {len(origins) - most} more" if len(origins) > most else "")


class Difference(NamedTuple):
    """A method minus ERM. examples: of a bootstrap over that many test examples; None for Student's t over seeds."""

    mean: float
    low: float | None
    high: float | None
    n: int
    examples: int | None = None


def members_of(run: Run, workdir: str) -> list[Member]:
    """The rows of a run that anything was measured for."""
    alone = any(row.n == 1 for row in run.rows) and bool(run.analysis.lines)
    intervals = run.analysis.intervals() if alone else {}
    by_row: dict[str, dict] = {row.name: {} for row in run.rows if row.n == 1}
    for (name, metric, against), interval in intervals.items():
        if name in by_row:
            by_row[name][metric, against] = interval
    return [
        Member(workdir, row, run.end if row.step is None else row.step, by_row.get(row.name, {}))
        for row in run.rows
        if row.metrics
    ]


def of(members: Sequence[Member]) -> list[Cohort]:
    """The cohorts, in the order in which they first occur."""
    by_settings: dict[Any, list[Member]] = {}
    for member in members:
        by_settings.setdefault(_shared(member), []).append(member)
    knobs = [dict(shared) for shared in by_settings]
    differing = {key for key in set().union(*knobs) if len({one.get(key) for one in knobs}) > 1}
    differing -= {"data.name", "model.name"}  # which are in the title
    return [_cohort(shared, rows, differing) for shared, rows in by_settings.items()]


def difference(method: PooledMethod, baseline: PooledMethod | None, metric: str) -> Difference | None:
    """Method minus ERM on the seeds that both have, with a 95 % interval; None where they share none.

    The interval is Student's t over seeds; for one seed that over examples, if the evaluation left one, or else none.
    """
    if baseline is None or method is baseline:
        return None
    values, base = method.values.get(metric, {}), baseline.values.get(metric, {})
    seeds = sorted(values.keys() & base.keys())
    if not seeds:
        return None
    differences = [values[seed] - base[seed] for seed in seeds]
    if over := over_seeds(differences):
        return Difference(*over, len(seeds))
    rows = {member.row.name for member in baseline.members}
    over_examples = [v for (key, against), v in method.intervals.items() if key == metric and against in rows]
    if len(over_examples) == 1 and len(values) == 1:
        interval = over_examples[0]
        return Difference(differences[0], interval.low, interval.high, 1, interval.examples or 0)
    return Difference(differences[0], None, None, 1)


def ratio(method: PooledMethod, baseline: PooledMethod | None, metric: str) -> float | None:
    """Mean of a method over mean of ERM, on the seeds that both have; None for ERM itself and where ERM is not above 0."""
    if baseline is None or method is baseline:
        return None
    values, base = method.values.get(metric, {}), baseline.values.get(metric, {})
    seeds = values.keys() & base.keys()
    below = sum(base[seed] for seed in seeds)
    return sum(values[seed] for seed in seeds) / below if below > 0 else None


def _cohort(shared: tuple, members: Sequence[Member], differing: set[str]) -> Cohort:
    by_method: dict[str, list[Member]] = {}
    for member in members:
        by_method.setdefault(method_key(member.row), []).append(member)
    notes: list[str] = []
    pooled = _distinct([_pooled(rows, notes) for rows in by_method.values()])
    baseline = next((method for method in pooled if method.erm), None)
    pooled.sort(key=lambda method: method is not baseline)
    first = members[0].row
    mitigation = mitigations.in_short(first.config)
    title = f"{first.knob('data.name') or 'unknown data'}, {first.knob('model.name') or 'unknown network'}"
    # A step that is None is the end of training.
    texts = {k: "the end" if (k, v) == ("step", "None") else v.strip("'\"") for k, v in shared if k in differing}
    settings = "; ".join(f"{key} = {value}" for key, value in texts.items() if not key.startswith("mitigation."))
    rows = [member.row for member in members]
    return Cohort(
        title + (f", {mitigation}" if mitigation else ""), settings, tuple(pooled), baseline, tuple(notes), mitigation,
        selections.caption(rows), legend.common([row.legend for row in rows]),
    )  # fmt: skip


def _pooled(members: Sequence[Member], notes: list[str]) -> PooledMethod:
    """The seeds of all rows of a method. A seed that occurs twice counts once, as first read."""
    values: dict[str, dict[int, float]] = {}
    intervals: dict[tuple[str, str | None], ExampleInterval] = {}
    twice: set[int] = set()
    for member in members:
        for metric in member.row.metrics:
            seeds, more = values.setdefault(metric, {}), member.row.by_seed(metric)
            twice |= seeds.keys() & more.keys()
            values[metric] = {**more, **seeds}
        intervals = {**member.intervals, **intervals}
    first = members[0].row
    if twice:
        listed = ", ".join(map(str, sorted(twice)[:6])) + (f" and {len(twice) - 6} more" if len(twice) > 6 else "")
        notes.append(f"{first.name}: seeds that several workdirs have ({listed}) count once.")
    return PooledMethod(first.name, methods.in_short(first.config), is_erm(first), tuple(members), values, intervals)


def _distinct(pooled: Sequence[PooledMethod]) -> list[PooledMethod]:
    """Methods of one name get their knobs added to it, or else a number."""
    names = [method.name for method in pooled]
    counts: dict[str, int] = {}
    distinct = []
    for method in pooled:
        name = f"{method.name} ({method.short})" if names.count(method.name) > 1 else method.name
        counts[name] = counts.get(name, 0) + 1
        distinct.append(method._replace(name=name if counts[name] == 1 else f"{name} {counts[name]}"))
    return distinct


def _shared(member: Member) -> tuple:
    """(knob, value) of all that is the same in a cohort. Rows of a run that is going on compare at the same step only."""
    row = member.row
    if not row.config:
        return (("workdir", member.workdir), ("step", repr(row.step)))
    knobs = settings_of(row, without=(*METHOD, "parallel."))
    return (*sorted((key, repr(value)) for key, value in knobs.items() if key not in IGNORED), ("step", repr(row.step)))
