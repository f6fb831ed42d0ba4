"""Read a workdir in any state: finished, running, interrupted, or damaged. No jax.

A finished run has summary.json; otherwise the last step in metrics.jsonl takes its place. What is missing is in `Run.notes`;
only a folder without a readable row is an error. After experiments.evaluate, a row's numbers are those of the last
evaluated step. lamv.train.tracking lists the files.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lamv.claims import RELATIONS, Claim, as_stated, judged
from lamv.errors import DataError, brief
from lamv.files import digest
from lamv.results import analysis, jsonl, legend, shapes
from lamv.results.analysis import Analysis
from lamv.results.jsonl import MISSING, read_lines, read_object
from lamv.results.records import Published, Row, Run, Spread, spread
from lamv.results.shapes import FLAG, NUMBER, OBJECT, TEXT, WHOLE, Shape, broken, kept, many, need, optional, record

#: Levels below a folder of runs at which a workdir may lie.
DEPTH = 3
FILES = ("config.json", "metrics.jsonl", "summary.json")
#: Other files by which a folder is a workdir, though nothing can be read from it.
TRACES = ("provenance.json", "timing.jsonl", "DONE", ".lock", analysis.LINES)
#: A row, a metric and a claim in summary.json; experiments on theory write null for a number that is not finite.
ROW = record({"name": TEXT, "metrics": shapes.table(OBJECT)}, {"config": OBJECT, "selected": many(WHOLE)})
METRIC = record({"mean": optional(NUMBER), "sd": optional(NUMBER), "n": WHOLE, "values": many(optional(NUMBER))})
CLAIM = record(
    {"row": TEXT, "metric": TEXT, "relation": TEXT, "bound": optional(NUMBER), "mean": optional(NUMBER),
     "holds": optional(FLAG)},
    {"times": NUMBER, "of": TEXT},
)  # fmt: skip
#: A claim in config.json.
STATED = Shape(
    lambda claim: (
        isinstance(claim, list)
        and len(claim) in (4, 5)
        and all(TEXT.fits(part) == (place != 3) for place, part in enumerate(claim))
        and claim[2] in RELATIONS
        and NUMBER.fits(claim[3])
    ),
    "a row, a metric, >= or <=, a number, and perhaps another row",
)
#: A published number in config.json.
PUBLISHED = Shape(
    lambda number: (
        isinstance(number, list)
        and len(number) == 4
        and all((NUMBER if place == 2 else TEXT).fits(part) for place, part in enumerate(number))
    ),
    "a row, a metric, a number, and its source",
)
#: Tolerance of stored means and deviations, as a share of the largest value.
ROUNDING = 1e-6


def find(directory: str | Path) -> list[Path]:
    """The workdirs in a folder, itself included, down to DEPTH levels. Raises DataError where there are none."""
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError(f"{directory} is not a folder; give --runs a workdir, or a folder of workdirs")
    workdirs = [path for path, _ in _folders(directory) if is_workdir(path)]
    if not workdirs:
        raise DataError(f"{directory} holds no workdir (no {' or '.join(FILES)}); train first: experiments.train")
    return workdirs


def empty(directory: str | Path) -> list[Path]:
    """The empty folders in a folder of runs, down to DEPTH levels: workdirs that never began."""
    return [path for path, inside in _folders(Path(directory)) if inside == []]


def _folders(directory: Path) -> Iterator[tuple[Path, list[Path] | None]]:
    """(folder, what is in it), level by level, but for folders in a workdir; None where there is no permission to look."""
    level = [directory]
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for path in level:
            try:
                inside = sorted(path.iterdir())
            except OSError:
                inside = None
            yield path, inside
            below += [] if is_workdir(path) else [child for child in inside or () if child.is_dir()]
        level = below


def is_workdir(path: Path) -> bool:
    """Whether a folder has any file of a workdir."""
    # lexists: devices and broken links are noted when they are read.
    return any(os.path.lexists(path / name) for name in (*FILES, *TRACES))


def read(workdir: str | Path) -> Run:
    """The run of a workdir. Raises DataError where no row can be read from it, or not as lamv writes them."""
    path, notes = Path(workdir), []
    if not path.is_dir():
        raise DataError(f"workdir {path} does not exist; train first: experiments.train --workdir={path}")
    config = read_object(path / "config.json", notes)
    summary = read_object(path / "summary.json", notes)
    missing = "metrics.jsonl is missing, so there are no training curves."
    lines = read_lines(path / "metrics.jsonl", notes, missing, grows=not summary)
    provenance = kept(read_object(path / "provenance.json", notes), shapes.PROVENANCE, "provenance.json", notes)
    texts = kept(config, {"title": TEXT, "about": TEXT, "claims": many(STATED), "published": many(PUBLISHED)},
                 "config.json", notes)  # fmt: skip
    texts |= kept(summary, {"title": TEXT, "overrides": shapes.table(shapes.KNOB), "notes": many(TEXT), "data": OBJECT},
                  "summary.json", notes)  # fmt: skip
    data = kept(texts.get("data") or provenance.get("reading", {}), shapes.READING, "what is said of the data", notes)
    evaluated, remarks = analysis.read(path), []
    try:
        trained = rows_of(summary, notes) if summary else _rows_so_far(config, lines, notes)
        rows = [_evaluated(row, evaluated, lines, bool(summary), remarks) for row in trained]
        rows = [row._replace(legend=legend.of(data)) for row in rows]
        claims = _claims(summary, texts.get("claims", ()), rows)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if not rows:
        raise DataError(f"{path} has no row: {' '.join(notes)}")
    if not summary:
        notes = [note for note in notes if note != MISSING.format("summary.json")] + _how_far(trained)
    elif config:
        notes += _other_rows(config, summary)
    notes += [*_changed(provenance), *_since_done(path), *remarks, *texts.get("notes", ()), *evaluated.notes]
    title, about, overrides = texts.get("title") or path.name, texts.get("about", ""), texts.get("overrides", {})
    if overrides:
        changed = ", ".join(f"{key} = {value}" for key, value in overrides.items())
        above = " The text above describes the recipe." if about else ""
        notes.append(f"Settings of the recipe were overridden: {changed}.{above}")
    published = [Published(*number) for number in texts.get("published", ())]
    return Run(
        path, title, about, overrides, rows, claims, lines, provenance, notes, bool(summary), evaluated, data, published
    )  # fmt: skip


def rows_of(summary: Mapping[str, Any], notes: list[str] | None = None) -> list[Row]:
    """The rows of a summary.json. Raises DataError where it is not as lamv writes it.

    notes: gets a sentence on values that cannot be knobs or metrics, which are left out.
    """
    rows = need(summary.get("rows"), many(ROW), "summary.json: rows")
    _check_names([row["name"] for row in rows], "summary.json")
    notes = [] if notes is None else notes
    named = [(f"row {brief(row['name'])}", row) for row in rows]
    configs = shapes.knobs([(where, row.get("config", {})) for where, row in named], "summary.json", notes)
    records, lost = [], []
    for (where, row), config in zip(named, configs, strict=True):
        metrics = {key: spread_of(stored, f"summary.json: {key} of {where}") for key, stored in row["metrics"].items()}
        sound = {
            key: of for key, of in metrics.items() if of and all(jsonl.is_metric(key, value) for value in of.values)
        }
        lost += [f"{brief(key)} of {where}" for key in metrics if key not in sound]
        records.append(Row(row["name"], config, sound, selected=tuple(row.get("selected", ()))))
    notes += shapes.left_out("summary.json, values that a metric cannot have", lost)
    return records


def spread_of(stored: Mapping[str, Any], where: str) -> Spread | None:
    """A metric of a row of summary.json; None where it is not finite. Raises DataError for one that contradicts itself."""
    stored = {key: _or_null(value) for key, value in stored.items()}
    values, mean, sd, n = (need(stored, METRIC, where)[key] for key in ("values", "mean", "sd", "n"))
    if mean is None and None in values:
        return None
    computed = spread([jsonl.number(value) for value in values]) if values and None not in values else None
    if computed is None or computed.n != n or mean is None or (computed.sd is None) != (sd is None):
        raise broken(f"{where} has mean {mean}, sd {sd} and n = {n}, and the values {brief(values)}")
    close = ROUNDING * max(map(abs, computed.values)) + shapes.SMALLEST
    if abs(computed.mean - mean) > close or abs((computed.sd or 0.0) - (sd or 0.0)) > close:
        of_values = f"mean {computed.mean:g} and sd {computed.sd or 0:g}"
        raise broken(f"{where} has mean {mean} and sd {sd}, and its values have {of_values}")
    return Spread(jsonl.number(mean), sd, n, computed.values)


def _or_null(value: Any) -> Any:
    """A stored value, with null for numbers that are not finite, in a list too."""
    if isinstance(value, list):
        return [_or_null(one) for one in value if not isinstance(one, list)]
    is_endless = isinstance(value, int | float) and not isinstance(value, bool) and not NUMBER.fits(value)
    return None if is_endless else value


def _check_names(names: Sequence[str], file: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise broken(f"{file} has several rows with the name {brief(twice)}")


def _other_rows(config: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """A sentence where config.json and summary.json are not of one run."""
    rows_of_both: list[Any] = [config.get("rows"), summary["rows"]]
    stored = [
        [(row.get("name"), *shapes.knobs([("", row["config"])], "", [])) for row in rows]
        for rows in rows_of_both
        if many(record({"config": OBJECT})).fits(rows)
    ]
    if len(stored) == 2 and stored[0] == stored[1]:
        return []
    return [
        "The rows in config.json, or their knobs, are not those in summary.json; what is shown is from summary.json."
    ]


def _changed(provenance: Mapping[str, Any]) -> list[str]:
    """A sentence for each time that a run was resumed with other versions, another device or other flags."""
    return [
        f"At step {entry['until_step']} the run went on with something else: {', '.join(entry['changed'])}. Its bits may"
        " not be those of an unbroken run."
        for entry in provenance.get("history", ())
    ]


def _since_done(path: Path) -> list[str]:
    """A sentence where metrics.jsonl is not as it was when the run ended, or that cannot be told."""
    notes: list[str] = []
    done: Any = read_object(path / "DONE", notes).get("metrics")
    if notes or not record({"sha256": TEXT}).fits(done) or digest(path / "metrics.jsonl") == done["sha256"]:
        return [note for note in notes if note != MISSING.format("DONE")]
    return [
        "metrics.jsonl is not as it was when the run ended: its sha256 in DONE is another. The command of the training mends"
        " it."
    ]


def claims_of(summary: Mapping[str, Any], rows: Sequence[Row]) -> list[Claim]:
    """The claims of a summary.json. Those that training could not judge are judged by the numbers of `rows`, if they can.

    Raises DataError where they are not as lamv writes them.
    """
    means = {row.name: row for row in rows}
    stored = need(summary.get("claims"), many(CLAIM), "summary.json: claims")

    def verdict(claim: Mapping[str, Any]) -> Mapping[str, Any]:
        if claim["holds"] is not None:
            return claim
        return judged([as_stated(claim)], lambda row, metric: means[row].mean(metric) if row in means else None)[0]

    claims = [_claim(verdict(claim), means) for claim in stored]
    return [c if c.holds is not None else c._replace(note="not measured") for c in claims]


def _claim(stored: Mapping[str, Any], rows: Mapping[str, Row]) -> Claim:
    """source: "3 × LS .1", where the bound is a multiple of another row."""
    row, metric = stored["row"], stored["metric"]
    spread = rows[row].metrics.get(metric) if row in rows else None
    source = f"{stored['times']:g} × {stored['of']}" if "of" in stored else "recipe"
    return Claim(
        f"{row}: {metric}", stored["mean"], stored["bound"], source, stored["relation"],
        sd=spread and spread.sd, n=spread.n if spread else 0, holds=stored["holds"],
    )  # fmt: skip


def _rows_so_far(config: Mapping[str, Any], lines: Iterable[Mapping[str, Any]], notes: list[str]) -> list[Row]:
    """The rows of config.json, each with what its last evaluated step measured."""
    rows = need(config.get("rows", []), many(record({"name": TEXT, "config": OBJECT})), "config.json: rows")
    _check_names([row["name"] for row in rows], "config.json")
    configs = shapes.knobs([(f"row {brief(row['name'])}", row["config"]) for row in rows], "config.json", notes)
    return [_row_so_far(row["name"], config, lines) for row, config in zip(rows, configs, strict=True)]


def _row_so_far(name: str, config: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> Row:
    lines = [line for line in lines if line["row"] == name]
    # Before the first evaluation only the loss is known.
    evaluated = [line for line in lines if any(key.endswith("/accuracy") for key in line)] or lines
    step = max((line["step"] for line in evaluated), default=0)
    last = sorted((line for line in evaluated if line["step"] == step), key=lambda line: line["replica"])
    # A kill may have cut the lines of a step short: a metric counts with the seeds that have it.
    return Row(name, config, {}, step)._replace(**_measured(last, config))


def _measured(lines: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """`metrics` and `seeds` of a row, from its lines at a step, one for each replica."""
    first = config.get("seed", 0)
    values: dict[str, dict[int, float]] = {}
    for line in lines:
        for key, value in line.items():
            if "/" in key:
                values.setdefault(key, {})[line.get("seed", first + line["replica"])] = value
    seeds = {key: tuple(v) for key, v in values.items() if tuple(v) != tuple(range(first, first + len(v)))}
    return {"metrics": {key: spread(list(v.values())) for key, v in values.items()}, "seeds": seeds}


def _evaluated(
    row: Row, evaluated: Analysis, lines: Sequence[Mapping[str, Any]], finished: bool, notes: list[str]
) -> Row:
    """The row with the metrics of evaluation and training at the last evaluated step, or at the selected ones.

    As it was trained where these were not evaluated.
    """
    step = evaluated.last_step(row.name)
    if row.selected:
        at_selected = evaluated.at(row.name, row.selected)
        if len(at_selected) == len(row.selected):
            return _together(row, row._replace(**_measured(at_selected, row.config)), evaluated, notes)
        if step is not None:
            notes.append(
                f"Row {row.name}: its numbers are those of the steps that its rule chose, which were not all evaluated; what"
                " the evaluation has of other steps is in no table."
            )
        return row
    if step is None:
        if evaluated.lines:
            notes.append(f"Row {row.name} was not evaluated: {analysis.LINES} has no line of it.")
        return row
    end = max((line["step"] for line in lines if line["row"] == row.name), default=row.knob("steps"))
    at_end = finished and (end is None or step >= end)
    trained = row
    if not at_end and step != row.step:
        trained = row._replace(step=step, **_measured(analysis.at_step(lines, row.name, step), row.config))
        if end is not None and step < end:
            notes.append(
                f"Row {row.name}: the numbers are those of step {step}, the last that was evaluated, of {end}."
            )
    new = row._replace(**_measured(analysis.at_step(evaluated.lines, row.name, step), row.config))
    return _together(trained, new, evaluated, notes)


def _together(trained: Row, new: Row, evaluated: Analysis, notes: list[str]) -> Row:
    """The metrics of training, overridden by those of the evaluation; a note where they differ."""
    differing = analysis.disagreements(*({m: r.by_seed(m) for m in r.metrics} for r in (new, trained)))
    if evaluated.provenance.get("settings", {}).get("examples") is not None:  # training evaluates on others
        differing = [metric for metric in differing if not metric.startswith("train/")]
    if differing:
        first, *others = differing
        more = f" and in {len(others)} more" if others else ""
        notes.append(
            f"Row {new.name}: training and evaluation differ by more than rounding in {first}"
            f" ({trained.mean(first):.4g} and {new.mean(first):.4g}){more}; the evaluation counts."
        )
    seeds = {key: value for key, value in trained.seeds.items() if key not in new.metrics} | dict(new.seeds)
    return trained._replace(metrics={**trained.metrics, **new.metrics}, seeds=seeds)


def _claims(summary: Mapping[str, Any], stated: Sequence[Sequence], rows: Sequence[Row]) -> list[Claim]:
    """Those of summary.json, judged; else those that config.json states, unjudged, with what was measured."""
    if summary and (claims := claims_of(summary, rows)):
        return claims
    why = "settings were overridden" if summary else "the run is not finished"
    means = {row.name: row for row in rows}
    unjudged = judged(stated, lambda row, metric: means[row].mean(metric) if row in means else None)
    return [_claim(claim, means)._replace(holds=None, note=why) for claim in unjudged]


def _how_far(rows: Sequence[Row]) -> list[str]:
    """Sentences on the step of a run that is not finished, and on rows without metrics where others have some."""
    steps = [row.step or 0 for row in rows]
    going = "The run is not finished (still going, or interrupted)"
    if not max(steps, default=0):
        how_far = [f"{going}, and nothing has been measured yet."]
    else:
        where = f"step {steps[0]}" if len(set(steps)) == 1 else f"steps {min(steps)} to {max(steps)}"
        planned = {row.knob("steps") for row in rows}
        of = f" of {planned.pop()}" if len(planned) == 1 and None not in planned else ""
        how_far = [f"{going}: the numbers are those of {where}{of}."]
    missing = [row.name for row in rows if not row.metrics]
    if 0 < len(missing) < len(rows):
        how_far.append(f"Not begun, or cut off before their first line in metrics.jsonl: {', '.join(missing)}.")
    return how_far
