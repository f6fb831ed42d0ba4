"""Do the claims of the recipes hold? Each recipe is trained, or its workdir read, and each of its claims judged.

    verify(recipes, folder, out)   -> the content of claims.json; writes it, and claims.md beside it

A recipe has a workdir in the folder, by its name. What is finished there is read and not trained again: the same command
goes on where it stopped, and runs of another machine are judged in their place. A recipe that cannot be run here, for want
of its data, is listed with the reason.

claims.json holds {"date", "device", "versions", "recipes": [{"recipe", "seconds", "read", "not_run", "claims": [{"quantity",
"relation", "bound", "tolerance", "value", "sd", "n", "margin": [low, high] | null, "test", "source", "verdict"}]}], "held",
"missed", "not_judged"}. margin: the 95 % interval over seeds of value - bound (lamv.compare.margins).
"""

import datetime
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamv import evaluate, files, recipes
from lamv.catalog.metrics import PROBE
from lamv.claims import Claim
from lamv.compare import margins
from lamv.core.intervals import Interval
from lamv.errors import LamvError, Preempted
from lamv.results import experiment, jsonl, runs
from lamv.theory import runner
from lamv.train import loop, provenance
from lamv.verify import tables

logger = logging.getLogger("lamv.verify")
#: {recipe: (knob, recipe)}: the knob names the workdir of the other recipe, which comes first.
AFTER = {"distill/students": ("distill.teacher", "distill/teachers")}
#: Evaluations that measure more and more, until every claim is judged; with the probe that claims are about.
EVALUATIONS = (evaluate.Options(brief=True), evaluate.Options())


def verify(names: Sequence[str], folder: Path, out: Path) -> dict[str, Any]:
    """The content of claims.json; out: its path. Written after every recipe. Raises LamvError where that cannot be.

    names: of recipes, as lamv.recipes.load takes them.
    """
    before = {one.get("recipe"): one.get("seconds") for one in jsonl.read_object(out, []).get("recipes", [])}
    done: list[dict[str, Any]] = []
    for number, name in enumerate(names, 1):
        logger.info("recipe %d of %d: %s", number, len(names), name)
        one = of_recipe(name, folder)
        done.append(one | {"seconds": before.get(name)} if one["read"] else one)
        logger.info("%s", tables.in_short(done[-1]))
        content = _content(done)
        files.write_whole(out, json.dumps(content, indent=1, allow_nan=False) + "\n")
        files.write_whole(out.with_suffix(".md"), tables.as_markdown(content))
    return content


def of_recipe(name: str, folder: Path) -> dict[str, Any]:
    """A recipe with its claims, judged."""
    workdir = _workdir(name, folder)
    was_done, started = (workdir / "DONE").exists(), time.perf_counter()
    try:
        config = recipes.load_any(name)
        if name in AFTER:
            knob, other = AFTER[name]
            node, leaf = knob.split(".")
            config[node][leaf] = str(_workdir(other, folder))
        claims = _of_experiment(config, workdir) if "experiment" in config else _of_run(config, workdir)
    except Preempted:
        raise
    except LamvError as error:
        return {"recipe": name, "seconds": None, "read": False, "not_run": str(error), "claims": []}
    seconds = None if was_done else round(time.perf_counter() - started, 1)
    return {"recipe": name, "seconds": seconds, "read": was_done, "not_run": "", "claims": claims}


def _workdir(name: str, folder: Path) -> Path:
    return folder / Path(name).with_suffix("").as_posix().strip("./").replace("/", "_").replace(":", "_")


def _of_experiment(config, workdir: Path) -> list[dict[str, Any]]:
    runner.run(config, workdir)
    return [recorded(check, margins.of_check(check)) for check in experiment.read(workdir).checks]


def _of_run(config, workdir: Path) -> list[dict[str, Any]]:
    loop.train(config, workdir)
    run = runs.read(workdir)
    for options in evaluations(config):
        if all(claim.holds is not None for claim in run.claims):
            break
        evaluate.evaluate(workdir, options=options)
        run = runs.read(workdir)
    stated = jsonl.read_object(workdir / "summary.json", [])["claims"]
    rows = {row.name: row for row in run.rows}
    pairs = zip(run.claims, stated, strict=True)
    return [recorded(claim._replace(source=_source(claim)), margins.of_rows(one, rows)) for claim, one in pairs]


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


def _content(done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    about = provenance.provenance((), {})
    verdicts = [claim["verdict"] for recipe in done for claim in recipe["claims"]]
    return {
        "date": datetime.date.today().isoformat(),
        "device": about["device"]["kind"],
        "versions": {"python": about["python"], **about["packages"]},
        "recipes": list(done),
        "held": sum(verdict.startswith("holds") for verdict in verdicts),
        "missed": sum(verdict.startswith("misses") for verdict in verdicts),
        "not_judged": verdicts.count("not judged"),
    }
