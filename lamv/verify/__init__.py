"""Do the claims of the recipes hold? Each recipe is trained, or its workdir read, and each of its claims judged.

    verify(recipes, folder, out)   -> the content of claims.json; writes it, and claims.md beside it; papers.md too,
                                      where `out` is the record of lamv itself (lamv.places.RECORD)
    enter(recipe, out)             -> the same, with a recipe whose runs were judged elsewhere

A recipe has a workdir in the folder, by its name. What is finished there is read and not trained again: the same command
goes on where it stopped, and runs of another machine are judged in their place. A recipe that cannot be run here, for want
of its data, is listed with the reason. Data that lie at the usual places (lamv.suite.data_found) are found.

claims.json holds {"date", "device", "versions", "recipes": [{"recipe", "seconds", "read", "not_run", "measured": {"date",
"device", "versions"}, "claims": [{"quantity", "relation", "bound", "tolerance", "value", "sd", "n", "margin": [low, high] |
null, "test", "source", "verdict"}], "stated": [{"document", "text", "row", "metric", "mean", "sd", "n"}]}], "not_found",
"with_flags", "held", "missed", "not_judged"}.

date, device, versions: of the judging; `measured`: of the training, as the workdir has them. margin: the 95 % interval over
seeds of value - bound (lamv.compare.margins). stated: numbers in the documents and what they are (lamv.verify.stated).
not_found: {document: numbers} of these recipes that no run has; with_flags: not looked for.
"""

import datetime
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lamv import evaluate, files, places, recipes
from lamv.catalog.metrics import PROBE
from lamv.claims import Claim, judged
from lamv.compare import margins
from lamv.core.intervals import Interval
from lamv.data import DATASETS
from lamv.errors import DataError, LamvError, Preempted
from lamv.results import experiment, jsonl, runs
from lamv.results.records import Row, Spread
from lamv.suite import data_found
from lamv.theory import runner
from lamv.train import loop, provenance
from lamv.verify import stated, tables

logger = logging.getLogger("lamv.verify")
#: {recipe: (knob, recipe)}: the knob names the workdir of the other recipe, which comes first.
AFTER = {"distill/students": ("distill.teacher", "distill/teachers")}
#: Evaluations that measure more and more, until every claim is judged and every number of a document found; with the
#: probe that claims are about.
EVALUATIONS = (evaluate.Options(brief=True), evaluate.Options())


def verify(names: Sequence[str], folder: Path, out: Path, update: bool = False) -> dict[str, Any]:
    """The content of claims.json; out: its path. Written after every recipe. Raises LamvError where that cannot be.

    names: of recipes, as lamv.recipes.load takes them. update: what `out` has of other recipes stays.
    """
    numbers = stated.everywhere()
    before = _before(out)
    done = dict(before) if update else {}
    for number, name in enumerate(names, 1):
        logger.info("recipe %d of %d: %s", number, len(names), name)
        one = of_recipe(name, folder, numbers)
        done[name] = one | {"seconds": before.get(name, one)["seconds"]} if one["read"] else one
        logger.info("%s", tables.in_short(done[name]))
        content = _write(list(done.values()), numbers, out)
    return content


def enter(one: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Put a recipe, as claims.json holds it, in the place of what `out` has of it, and keep the others."""
    return _write(list({**_before(out), one["recipe"]: dict(one)}.values()), stated.everywhere(), out)


def _write(done: Sequence[dict[str, Any]], numbers: Sequence[stated.Stated], out: Path) -> dict[str, Any]:
    content = _content(done, numbers)
    files.write_whole(out, json.dumps(content, indent=1, allow_nan=False) + "\n")
    files.write_whole(out.with_suffix(".md"), tables.as_markdown(content))
    if out.resolve() == places.RECORD.resolve():
        files.write_whole(out.with_name("papers.md"), tables.papers_page(content))
    return content


def _before(out: Path) -> dict[str, dict[str, Any]]:
    """{recipe: what claims.json has of it}; {} where there is none. Raises DataError for a file of another kind."""
    listed = jsonl.read_object(out, []).get("recipes", [])
    try:
        return {one["recipe"]: one for one in listed if one["measured"] or one["not_run"]}
    except (KeyError, TypeError) as error:
        raise DataError(f"{out} is no record of claims of this version; give another --out") from error


def of_recipe(name: str, folder: Path, numbers: Sequence[stated.Stated]) -> dict[str, Any]:
    """A recipe with its claims, judged, and those of the documents' numbers that its run has."""
    workdir = _workdir(name, folder)
    was_done, started = (workdir / "DONE").exists(), time.perf_counter()
    try:
        config = recipes.load_any(name)
        if name in AFTER:
            knob, other = AFTER[name]
            node, leaf = knob.split(".")
            config[node][leaf] = str(_workdir(other, folder))
        _find_data(config)
        judge = _of_experiment if "experiment" in config else _of_run
        claims, found = judge(config, workdir, name, stated.of(name, numbers))
    except Preempted:
        raise
    except LamvError as error:
        return {
            "recipe": name, "seconds": None, "read": False, "not_run": str(error), "measured": None, "claims": [],
            "stated": [],
        }  # fmt: skip
    seconds = None if was_done else round(time.perf_counter() - started, 1)
    return {
        "recipe": name, "seconds": seconds, "read": was_done, "not_run": "", "measured": measured(workdir),
        "claims": claims, "stated": found,
    }  # fmt: skip


def measured(workdir: Path) -> dict[str, Any]:
    """When and on what a finished workdir was trained."""
    ended = datetime.datetime.fromtimestamp((workdir / "DONE").stat().st_mtime, datetime.UTC)
    return {"date": ended.date().isoformat(), **_environment(jsonl.read_object(workdir / "provenance.json", []))}


def _environment(about: Mapping[str, Any]) -> dict[str, Any]:
    """Device and versions out of a provenance."""
    return {"device": about["device"]["kind"], "versions": {"python": about["python"], **about["packages"]}}


def _find_data(config) -> None:
    """Set data.path to where the data set lies, for one that needs a path and has none."""
    name = config.data.name if "data" in config else ""
    reader = DATASETS.get(name)
    if reader and reader.holds and not config.data.path and not (reader.default and Path(reader.default).exists()):
        config.data.path = next((one["path"] for one in data_found.find() if one["name"] == name), "")


def _workdir(name: str, folder: Path) -> Path:
    return folder / Path(name).with_suffix("").as_posix().strip("./").replace("/", "_").replace(":", "_")


def _of_experiment(
    config, workdir: Path, name: str, numbers: Sequence[stated.Stated]
) -> tuple[list[dict[str, Any]], ...]:
    """Its judged claims, and those of the numbers that it has, in its rows or its checks."""
    runner.run(config, workdir)
    done = experiment.read(workdir)
    checked = [
        Row(one.quantity, {}, {"measured": Spread(one.measured, one.sd, one.n, ())})
        for one in done.checks
        if one.measured is not None
    ]
    claims = [recorded(check, margins.of_check(check)) for check in done.checks]
    return claims, stated.found(numbers, [*done.rows, *checked])


def _of_run(config, workdir: Path, name: str, numbers: Sequence[stated.Stated]) -> tuple[list[dict[str, Any]], ...]:
    """Its judged claims, and those of the numbers that it has; evaluated as far as that takes."""
    loop.train(config, workdir)
    # Which of the numbers are a variant's is not known.
    own = [one for one in numbers if one.recipes == (name,)]
    rows = {row.name: row for row in runs.read(workdir).rows}
    for options in evaluations(config):
        if all(one["verdict"] != "not judged" for one in claims_on(config, rows)) and _has_all(own, rows):
            break
        if _was_evaluated(workdir, options):
            continue
        evaluate.evaluate(workdir, options=options)
        rows = {row.name: row for row in runs.read(workdir).rows}
    return claims_on(config, rows), stated.found(numbers, rows.values())


def _was_evaluated(workdir: Path, options: evaluate.Options) -> bool:
    """With these options, or with more."""
    settings = jsonl.read_object(workdir / "evaluation_provenance.json", []).get("settings", {})
    probed = (list(options.probe), options.transfer) == (settings.get("probe"), settings.get("transfer"))
    return probed and (options.brief or not settings.get("brief", True))


def claims_on(config, rows: Mapping[str, Row]) -> list[dict[str, Any]]:
    """The recipe's claims, judged by the numbers of the rows, {name: row}.

    As the recipe makes them now: a workdir may have been trained when it made others.
    """
    stored = judged(config.claims, lambda row, metric: rows[row].mean(metric) if row in rows else None)
    pairs = zip(runs.claims_of({"claims": stored}, list(rows.values())), stored, strict=True)
    return [recorded(claim._replace(source=_source(claim)), margins.of_rows(one, rows)) for claim, one in pairs]


def _has_all(numbers: Sequence[stated.Stated], rows: Mapping[str, Row]) -> bool:
    return len(stated.found(numbers, rows.values())) == len(numbers)


def evaluations(config) -> list[evaluate.Options]:
    """EVALUATIONS, with the layers that claims on a probe name, on the data that these name: one data set a recipe."""
    probes = [probe for claim in config.claims if (probe := PROBE.fullmatch(claim[1]))]
    layers = tuple(dict.fromkeys(probe["layer"] for probe in probes))
    other = next((probe["data"] for probe in probes if probe["data"] != config.data.name), "")
    return [options._replace(probe=layers, transfer=other) for options in EVALUATIONS]


def _source(claim: Claim) -> str:
    """Of a claim of a recipe: all of them come from measurements with lamv."""
    return "measured here" if claim.source == "recipe" else f"measured here: {claim.source}"


def recorded(claim: Claim, margin: Interval | None) -> dict[str, Any]:
    """A claim as claims.json holds it."""
    return {
        "quantity": claim.quantity, "relation": claim.relation, "bound": claim.expected, "tolerance": claim.tolerance,
        "value": claim.measured, "sd": claim.sd, "n": claim.n, "margin": margin and [margin.low, margin.high],
        "test": "two-sided, within the tolerance" if claim.relation == "=" else "one-sided",
        "source": claim.source, "verdict": margins.verdict(claim, margin), "note": claim.note,
    }  # fmt: skip


def _texts(numbers: Iterable[stated.Stated]) -> dict[str, list[str]]:
    """{document: numbers}."""
    texts: dict[str, list[str]] = {}
    for one in numbers:
        texts.setdefault(one.document, []).append(one.text)
    return texts


def _content(done: Sequence[dict[str, Any]], numbers: Sequence[stated.Stated]) -> dict[str, Any]:
    verdicts = [claim["verdict"] for recipe in done for claim in recipe["claims"]]
    ran = [recipe["recipe"] for recipe in done if not recipe["not_run"]]
    numbers = list(dict.fromkeys(one for name in ran for one in stated.of(name, numbers, flagged=True)))
    return {
        "date": datetime.date.today().isoformat(),
        **_environment(provenance.provenance((), {})),
        "recipes": list(done),
        "not_found": _texts(stated.missing(numbers, done)),
        "with_flags": _texts(one for one in numbers if one.flagged),
        "held": sum(verdict.startswith("holds") for verdict in verdicts),
        "missed": sum(verdict.startswith("misses") for verdict in verdicts),
        "not_judged": verdicts.count("not judged"),
    }
