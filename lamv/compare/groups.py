"""Rows that can be compared: the same data set, network, mitigation and all else but for the method and the seed.

Within a workdir and across workdirs. In a group, rows of one method are one column, with the seeds of all of them; the
ERM column is what the others are compared with, on the seeds that both have. ERM with a mitigation is a baseline like ERM
without: it is the one of the rows that have the same mitigation.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamv.catalog import methods, mitigations, model_selection
from lamv.compare import selections
from lamv.core.intervals import over_seeds
from lamv.knobs import flatten
from lamv.results import legend
from lamv.results.analysis import Interval
from lamv.results.legend import Legend
from lamv.results.runs import Row, Run

#: What makes a method: the label augmentation, and a teacher that stands beside it.
METHOD = ("method.", "distill.")
#: Knobs that do not change what is learned from a seed, and the seeds themselves.
ASIDE = (
    "seed", "seeds", "title", "about", "eval_batch_size", "log_every", "eval_every", "checkpoint_every", "keep_checkpoints",
    "data.path", "data.verify", "data.eval_train_size", "parallel.",
)  # fmt: skip


class Source(NamedTuple):
    """Where numbers of a column come from. `workdir`: as the page names it; `step`: None for the end of training.

    chosen: the steps that a rule chose, in short, "" where they are of one step.
    """

    workdir: str
    row: str
    step: int | None
    at: int | None
    chosen: str = ""


class Column(NamedTuple):
    """A method. `values`: {metric: {seed: value}}; `intervals`: of a single seed, {(metric, ERM row or None): interval}."""

    name: str
    short: str
    erm: bool
    sources: tuple[Source, ...]
    values: Mapping[str, Mapping[int, float]]
    intervals: Mapping[tuple[str, str | None], Interval]

    @property
    def n(self) -> int:
        return max(map(len, self.values.values()), default=0)


class Group(NamedTuple):
    """Columns that can be compared. `baseline`: the ERM column, None where there is none.

    mitigation: of all columns, in short. selection: a sentence on which step the numbers are of. legend: what the numbers
    of groups stand for, where that is the same in all columns.
    """

    title: str
    settings: str
    columns: tuple[Column, ...]
    baseline: Column | None
    notes: tuple[str, ...] = ()
    mitigation: str = ""
    selection: str = ""
    legend: Legend = Legend()

    @property
    def metrics(self) -> set[str]:
        return {metric for column in self.columns for metric in column.values}


class Difference(NamedTuple):
    """Of a column from the baseline, seed by seed. `examples`: of a bootstrap over them; None for Student's t over seeds."""

    mean: float
    low: float | None
    high: float | None
    n: int
    examples: int | None = None


class Member(NamedTuple):
    """A row with the workdir that it is in, as the page names it."""

    workdir: str
    row: Row
    end: int | None
    intervals: Mapping[tuple[str, str | None], Interval] = {}


def members_of(run: Run, workdir: str) -> list[Member]:
    """The rows of a run that anything was measured for, with the bootstrap intervals of those of one seed."""
    alone = any(row.n == 1 for row in run.rows) and bool(run.analysis.lines)
    intervals = run.analysis.intervals() if alone else {}
    found = []
    for row in run.rows:
        own = {(metric, against): value for (name, metric, against), value in intervals.items() if name == row.name}
        if row.metrics:
            found.append(Member(workdir, row, row.step or run.end, own if row.n == 1 else {}))
    return found


def group(members: Sequence[Member]) -> list[Group]:
    """The groups, in the order in which they first occur."""
    by_rest: dict[Any, list[Member]] = {}
    for member in members:
        by_rest.setdefault(_rest(member), []).append(member)
    differing = _differing(list(by_rest))
    return [_group(rest, own, differing) for rest, own in by_rest.items()]


def row_in_short(config: Mapping[str, Any]) -> str:
    """ "mixup α=0.2 + group_dro": the method, and the mitigation where there is one."""
    return " + ".join(part for part in (methods.in_short(config), mitigations.in_short(config)) if part)


def common_name(rows: Sequence[Row]) -> str:
    """The words with which the names of all rows begin: "LS .1" of "LS .1 · none" and "LS .1 · jtt"; "" for none."""
    words = [[word.rstrip(",;:") for word in row.name.split()] for row in rows]
    common = list(itertools.takewhile(lambda at: len(set(at)) == 1, zip(*words, strict=False)))
    while common and not any(letter.isalnum() for letter in common[-1][0]):
        common.pop()  # what stood between the common part and the rest
    return " ".join(at[0] for at in common)


def is_erm(row: Row) -> bool:
    """Neither label augmentation nor a teacher; whether with a mitigation or without."""
    return row.knob("method.name") == "erm" and not row.knob("distill.row") and not row.knob("method.switch")


def settings_of(row: Row, without: tuple[str, ...] = METHOD) -> dict[str, Any]:
    """The knobs of a row by dotted key, but for those that nothing looks at, and those whose key begins with `without`.

    What a mitigation does not use, and how to select where the last step counts, say nothing.
    """
    flat = {key: value for key, value in flatten(row.config).items() if not key.startswith("mitigation.")}
    if flat.get("select.rule") in (None, model_selection.LAST):
        flat = {key: value for key, value in flat.items() if not key.startswith("select.")}
    return {k: v for k, v in {**flat, **mitigations.settings(row.config)}.items() if not k.startswith(without)}


def baseline_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The ERM row that differs from this one in the method only, at the same step."""
    if is_erm(row):
        return None
    own = settings_of(row)
    return next((r for r in rows if is_erm(r) and r.step == row.step and settings_of(r) == own), None)


def difference(column: Column, baseline: Column | None, metric: str) -> Difference | None:
    """Of a metric from the baseline on the seeds that both have, with a 95 % interval; None where there is none.

    The interval is Student's t over seeds; for one seed that over examples, if the evaluation left one; else none.
    """
    if baseline is None or column is baseline:
        return None
    own, base = column.values.get(metric, {}), baseline.values.get(metric, {})
    seeds = sorted(own.keys() & base.keys())
    if not seeds:
        return None
    differences = [own[seed] - base[seed] for seed in seeds]
    if len(seeds) > 1:
        return Difference(*over_seeds(differences), len(seeds))
    rows = {source.row for source in baseline.sources}
    over_examples = [v for (key, against), v in column.intervals.items() if key == metric and against in rows]
    if len(over_examples) == 1 and len(own) == 1:
        interval = over_examples[0]
        return Difference(differences[0], interval.low, interval.high, 1, interval.examples or 0)
    return Difference(differences[0], None, None, 1)


def _group(rest: tuple, members: Sequence[Member], differing: set[str]) -> Group:
    by_method: dict[str, list[Member]] = {}
    for member in members:
        by_method.setdefault(method_key(member.row), []).append(member)
    notes: list[str] = []
    columns = [_column(own, notes) for own in by_method.values()]
    columns = _apart(columns)
    baseline = next((column for column in columns if column.erm), None)
    columns.sort(key=lambda column: column is not baseline)
    knob = members[0].row.knob
    title = f"{knob('data.name') or 'unknown data'}, {knob('model.name') or 'unknown network'}"
    mitigation = mitigations.in_short(members[0].row.config)
    title += f", {mitigation}" if mitigation else ""
    told = {key: value for key, value in _pairs(rest) if key in differing and not key.startswith("mitigation.")}
    settings = "; ".join(f"{key} = {value}" for key, value in told.items())
    said = selections.caption([member.row for member in members])
    names = legend.common([member.row.legend for member in members])
    return Group(title, settings, tuple(columns), baseline, tuple(notes), mitigation, said, names)


def _column(members: Sequence[Member], notes: list[str]) -> Column:
    """One method: the seeds of all its rows. A seed that occurs twice counts once, as first read."""
    values: dict[str, dict[int, float]] = {}
    intervals: dict[tuple[str, str | None], Interval] = {}
    twice: set[int] = set()
    for member in members:
        for metric in member.row.metrics:
            into = values.setdefault(metric, {})
            for seed, value in member.row.by_seed(metric).items():
                if seed in into:
                    twice.add(seed)
                into.setdefault(seed, value)
        for key, interval in member.intervals.items():
            intervals.setdefault(key, interval)
    first = members[0].row
    if twice:
        notes.append(f"{first.name}: seeds that several workdirs have ({_listed(sorted(twice))}) count once.")
    sources = tuple(Source(m.workdir, m.row.name, m.row.step, m.end, selections.steps_in_short(m.row)) for m in members)
    return Column(first.name, methods.in_short(first.config), is_erm(first), sources, values, intervals)


def _apart(columns: Sequence[Column]) -> list[Column]:
    """Columns of one name get their method added to it, or else a number."""
    names = [column.name for column in columns]
    longer = [f"{c.name} ({c.short})" if names.count(c.name) > 1 else c.name for c in columns]
    seen: dict[str, int] = {}
    result = []
    for column, name in zip(columns, longer, strict=True):
        seen[name] = seen.get(name, 0) + 1
        result.append(column._replace(name=name if seen[name] == 1 else f"{name} {seen[name]}"))
    return result


def method_key(row: Row) -> str:
    """The same for rows of the same method: its knobs, but for those that ERM does not look at."""
    if not row.config:
        return row.name
    if is_erm(row):
        return "erm"
    flat = flatten(row.config)
    told = {key: flat[key] for key in flat if key.startswith(METHOD) and key != "distill.teacher"}
    return repr(sorted((key, repr(value)) for key, value in told.items()))


def _rest(member: Member) -> tuple:
    """All that must be the same in a group. Rows of a run that is going on compare at the same step only."""
    row = member.row
    if not row.config:
        return (("workdir", member.workdir), ("step", repr(row.step)))
    same = [
        (key, repr(value))
        for key, value in settings_of(row, without=(*METHOD, "parallel.")).items()
        if key not in ASIDE
    ]
    return (*sorted(same), ("step", repr(row.step)))


def _differing(rests: Sequence[tuple]) -> set[str]:
    """The keys in which groups differ."""
    if len(rests) < 2:
        return set()
    dicts = [dict(rest) for rest in rests]
    keys = {key for of in dicts for key in of}
    return {key for key in keys if len({of.get(key) for of in dicts}) > 1} - {"data.name", "model.name"}


def _pairs(rest: tuple) -> list[tuple[str, str]]:
    """Knobs as text; a step that is None is the end of training."""
    return [(k, "the end" if (k, v) == ("step", "None") else v.strip("'\"")) for k, v in rest]


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:6])) + (f" and {len(values) - 6} more" if len(values) > 6 else "")
