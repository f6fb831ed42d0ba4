"""Will smoothing or Mixup hurt me on my data? Read, plan, train, measure, judge, tell.

    audit(Question(...))   -> the content of audit.json; writes it, and the page

Beside the page OUT.html lie OUT.json and a folder OUT_runs/ with an ordinary workdir for every training:

    own        ERM and the methods on the data as it is: what the verdicts rest on
    cues       the same with cues of known variance planted, at several doses
    remedies   what may be done about methods that are risky

The same command goes on where it was stopped; one that is finished is judged and written again.
"""

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lamv import evaluate, files
from lamv.audit import cues, features, measure, pictures, plan, question, reading, reliability, remedies, verdict
from lamv.audit.plan import Plan
from lamv.audit.question import ERM, Question, checked
from lamv.audit.reading import Reading
from lamv.data import description
from lamv.errors import WorkdirMismatch
from lamv.report import audit_page
from lamv.results import jsonl, runs
from lamv.results.records import Row
from lamv.train import loop
from lamv.train.session import reading_once

__all__ = ["Question", "audit", "checked"]
#: Classes beyond which there are too few examples of each for anything here; examples of a class, and in all.
MANY, EACH, FEWEST = 1000, 5, 30
#: Heads on frozen features take the place of networks that would have this part of the steps they want, or less.
SHORTEST = 4
#: Metrics of the page, beside those of layers.
METRICS = (
    "test/accuracy", "test/worst_group_accuracy", "test/mean_group_accuracy", "test/nll", "test/ece", "test/ece_scaled",
    "test/temperature", "test/temperature_not_found", "test/aurc", "test/augrc", "test/coverage_at_risk_5",
    "test/risk_at_coverage_80", "test/features/within_variance", "test/features/between_variance",
    "test/features/within_over_total", "test/outputs/within_variance", "test/outputs/between_variance",
    "test/outputs/within_over_total",
)  # fmt: skip
logger = logging.getLogger("lamv.audit")


@reading_once()
def audit(asked: Question) -> dict[str, Any]:
    """The content of audit.json; writes it, and the page. Raises LamvError's subclasses, each with its exit code."""
    started = time.perf_counter()
    read = begun(asked)
    reasons = too_little(read)
    if reasons:
        methods = {method.label: verdict.recorded(verdict.judge((), reasons)) for method in asked.methods}
        return _written(asked, {"data": dict(read.block), "methods": methods}, [])
    images = read
    if asked.weights:
        read = features.of_weights(asked, read, runs_of(asked))
    planned = plan_of(asked, read)
    if planned.steps * SHORTEST < plan.wanted(read, planned.model) and planned.model not in ("mlp", "linear"):
        read = features.of_small_network(asked, read, planned, runs_of(asked))
        planned = plan_of(asked, read, "heads")
    measured = own_data(asked, read, planned)
    rows = {row.name: row for row in runs.read(runs_of(asked) / "own").rows}
    accuracy = accuracies(rows.values())
    found = {m.label: verdict.judge(verdict.evidence_of(m.label, measured, accuracy)) for m in asked.methods}
    for label, one in found.items():
        logger.info("%s: %s. %s", label, one.verdict, one.why)
    dose = planted(asked, read, planned, measured)
    tried = remedied(asked, read, planned, measured, found)
    content = {
        "data": dict(read.block),
        "methods": {
            label: verdict.recorded(one) | {"cue_dose": cues.of_method(dose, label)} for label, one in found.items()
        },
        "remedies": tried,
        "cues": dose,
        "measures": measures(rows, asked.methods),
        "parts": parts_in_short(measured, asked.methods),
        "plan": planned.recorded() | {"minutes": asked.minutes, "left_out": _left_out(planned, dose)},
        "examples": measured["sizes"],
    }
    logger.info("audited in %.0f s", time.perf_counter() - started)
    return _written(asked, content, pictures.of(images, measured, content["methods"]))


@reading_once()
def measured_alone(asked: Question) -> dict[str, Any]:
    """{"measured", "accuracy", "reasons"}: what verdicts are made of (lamv.audit.verdict), and no more; for benchmarks."""
    read = begun(asked)
    reasons = too_little(read)
    if reasons:
        return {"measured": {}, "accuracy": {}, "reasons": reasons}
    measured = own_data(asked, read, plan_of(asked, read), evaluates=False)
    rows = runs.read(runs_of(asked) / "own").rows
    return {"measured": measured, "accuracy": accuracies(rows), "reasons": []}


def begun(asked: Question) -> Reading:
    """Read the data, and say so."""
    read = reading.read(asked)
    shown = {
        "counts": dict.fromkeys(("all", "train"), read.block["counts"]),
        "groups": list(read.block["groups"] or []),
    }
    for line in description.lines({**read.block, **shown}):
        logger.info("%s", line)
    for warning in read.block["warnings"]:
        logger.warning("%s", warning)
    return read


def runs_of(asked: Question) -> Path:
    """The folder of the trainings of an audit."""
    return asked.out.with_name(f"{asked.out.stem}_runs")


def too_little(read: Reading) -> list[str]:
    """Why this data is too little to judge, before any training; [] where it is not."""
    counts = [count for count in read.block["counts"] if count]
    number, classes = sum(counts), len(counts)
    if classes > MANY or number < EACH * classes:
        return [
            f"there are {number:,} examples of {classes:,} classes, {number / classes:.1f} each; an audit needs about 20"
        ]
    if number < FEWEST:
        return [f"there are {number} examples in all; an audit needs about 20 of each class"]
    return []


def plan_of(asked: Question, read: Reading, name: str = "plan") -> Plan:
    """The plan of this audit, made now or when it was begun. Raises WorkdirMismatch where another was begun here."""
    folder = runs_of(asked)
    path = folder / f"{name}.json"
    files.refuse_no_file(path)
    if path.is_file():
        kept = jsonl.read_object(path, [])
        if not all(isinstance(kept.get(key), dict) for key in ("asked", "plan")):
            raise WorkdirMismatch(f"{path} is damaged; remove {folder}, or give another --out")
        if kept["asked"] != asked.recorded():
            changed = [key for key, value in asked.recorded().items() if kept["asked"].get(key) != value]
            raise WorkdirMismatch(
                f"{folder} holds another audit (other {', '.join(changed)}); give another --out, or remove that folder"
            )
        return plan.from_record(kept["plan"])
    planned = plan.made(asked, read)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, json.dumps({"asked": asked.recorded(), "plan": planned.recorded()}, indent=1) + "\n")
    return planned


def own_data(asked: Question, read: Reading, planned: Plan, evaluates: bool = True) -> dict[str, Any]:
    """Train ERM and the methods on the data as it is, and measure what they rest on (lamv.audit.measure).

    evaluates: calibration and variance too.
    """
    config = plan.base(asked, read, planned)
    config.title = "Audit: the data as it is"
    config.rows = question.rows([ERM, *asked.methods])
    _announce(1, "ERM and the methods on your data", planned, len(config.rows))
    return _trained(config, runs_of(asked) / "own", read, planned, evaluates)


def planted(asked: Question, read: Reading, planned: Plan, measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Plant cues at several doses (lamv.audit.cues); [] where there is no time, or no cue that suits the data."""
    suited = cues.cues_for(read, planned.cues)
    if not suited:
        return []
    config = plan.base(asked, read, planned)
    config.title = "Audit: planted cues"
    config.rows = cues.rows(asked.methods, suited, planned.doses)
    config.checkpoint_every = config.steps
    _announce(2, "cues of known variance, planted at several doses", planned, len(config.rows))
    workdir = runs_of(asked) / "cues"
    loop.train(config, workdir)
    own = next((part["within_share"] for part in measured["parts"] if part["key"] == "leading direction"), None)
    results = runs.read(workdir).rows
    return [cues.responses(results, asked.methods, cue, own) for cue in suited]


def remedied(
    asked: Question, read: Reading, planned: Plan, measured: Mapping[str, Any], found: Mapping[str, verdict.Verdict]
) -> list[dict[str, Any]]:
    """Try what may be done about the methods that are risky (lamv.audit.remedies); [] where none is, or there is no time."""
    risky = [method for method in asked.methods if found[method.label].verdict == verdict.RISKY]
    tried = remedies.rows(risky, bool(read.block["groups"]), planned.steps) if planned.remedies else {}
    if not tried:
        return []
    config = plan.base(asked, read, planned)
    config.title = "Audit: remedies"
    config.rows = {"erm": ERM.settings} | {name: knobs for name, (_, _, knobs) in tried.items()}
    _announce(3, "remedies", planned, len(config.rows))
    workdir = runs_of(asked) / "remedies"
    after = _trained(config, workdir, read, planned, evaluates=False)
    return remedies.outcomes(tried, after, measured, found)


def accuracies(rows: Iterable[Row]) -> dict[str, tuple[float, ...]]:
    """{row: accuracy of each seed on all test examples}."""
    return {row.name: row.metrics["test/accuracy"].values for row in rows}


def measures(rows: Mapping[str, Row], methods: Sequence[question.DosedMethod]) -> dict[str, Any]:
    """{metric: {row: {"mean", "difference"}}} of what the evaluation measured; the difference is from ERM."""
    layers = [
        key for key in rows["erm"].metrics if key.startswith("test/layers/") and key.endswith("/within_over_total")
    ]
    table: dict[str, Any] = {}
    for metric in (*METRICS, *layers):
        of = {name: row.metrics[metric] for name, row in rows.items() if metric in row.metrics}
        if "erm" not in of:
            continue
        table[metric] = {}
        for name in ("erm", *(method.label for method in methods)):
            pairs = zip(of[name].values, of["erm"].values, strict=True)
            difference = None if name == "erm" else verdict.interval_of([a - b for a, b in pairs])
            table[metric][name] = {"mean": of[name].mean, "difference": difference}
    return table


def parts_in_short(measured: Mapping[str, Any], methods: Sequence[question.DosedMethod]) -> list[dict[str, Any]]:
    """Of each part its description, and each row's mean accuracy and how often it follows the partner's part."""
    names = ["erm", *(method.label for method in methods)]
    return [
        part | {"rows": {
            name: {key: sum(values) / len(values) for key, values in measured["rows"][name]["parts"][part["key"]].items()}
            for name in names
        }}
        for part in measured["parts"]
    ]  # fmt: skip


def _trained(config, workdir: Path, read: Reading, planned: Plan, evaluates: bool) -> dict[str, Any]:
    """Train, evaluate and measure, or find that done; returns lamv.audit.measure.measure, kept in measures.json."""
    path = workdir / "measures.json"
    done = loop.train(config, workdir)
    of = files.hash_of({"rows": done["rows"], "evaluates": evaluates})
    kept = jsonl.read_object(path, [])
    if kept.get("of") == of:
        return kept
    started = time.perf_counter()
    if evaluates:
        evaluate.evaluate(workdir, options=evaluate.Options(brief=True))
    measured = {"of": of, **measure.measure(workdir, read, planned.examples)}
    files.write_whole(path, json.dumps(measured, indent=1) + "\n")
    logger.info("measured in %.0f s", time.perf_counter() - started)
    return measured


def _announce(stage: int, what: str, planned: Plan, rows: int) -> None:
    seconds = planned.seconds * planned.steps * rows * planned.seeds / plan.PROBE_SEEDS
    logger.info(
        "stage %d of 3: %s; %d trainings of %d steps, %d seeds each, about %.0f s and compilation",
        stage, what, rows, planned.steps, planned.seeds, seconds,
    )  # fmt: skip


def _left_out(planned: Plan, dose: Sequence[Any]) -> list[str]:
    """What was not done, a sentence each."""
    left_out = [f"No time for {what}; give more --minutes." for what in planned.left_out]
    if planned.cues and not dose:
        left_out.append("No cue was planted: none suits images of this size and number of channels.")
    return left_out


def _written(asked: Question, content: dict[str, Any], drawn: Sequence[pictures.Picture]) -> dict[str, Any]:
    """audit.json and the page, complete."""
    whole = {"remedies": [], "cues": [], "measures": {}, "parts": [], "plan": None, "examples": None} | content
    whole["reliability"] = reliability.statement(whole)
    whole["asked"] = asked.recorded() | {"command": asked.command()}
    files.write_whole(asked.out.with_suffix(".json"), json.dumps(whole, indent=1, allow_nan=False) + "\n")
    audit_page.write(asked.out, whole, drawn)
    return whole
