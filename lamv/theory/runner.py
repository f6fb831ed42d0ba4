"""An experiment from its config to the files of its workdir, in the form of a training run's:

config.json      the knobs, as one row named by the experiment; a workdir belongs to one config for good
provenance.json  versions, device, git commit, command
timing.jsonl     wall seconds, which differ from run to run
summary.json     rows, checks (each with "holds"), figures and remarks; there only once the whole experiment is done
DONE             the digest of summary.json's content; a workdir that has it is left as it is
"""

import hashlib
import json
import logging
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamv import theory
from lamv.errors import ConfigError, WorkdirMismatch, brief
from lamv.theory.outcome import Outcome, plain
from lamv.train import provenance, tracking

PACKAGE = Path(theory.__file__).parents[1]
logger = logging.getLogger("lamv.theory")


def run(config, workdir: str | Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run the experiment that a config names; returns the content of summary.json.

    config: made by `theory.recipe`, flags applied. overrides: what the command line set. A finished workdir is left as
    it is. Raises LamvError's subclasses, each with its exit code.
    """
    overrides = dict(overrides or {})
    if "experiment" in overrides:
        raise ConfigError("config.experiment belongs to the recipe; give the --config of the other experiment instead")
    theory.validate(config)
    identity = snapshot(config)
    with tracking.Workdir(workdir, writes=True) as place:
        compare(place, identity)
        done, summary = place.read_whole("DONE"), place.read_whole("summary.json")
        if done is not None:
            if summary is not None and done.get("sha256") == _digest(summary):
                logger.info("%s is done; nothing to do", place.path)
                return summary
            logger.warning("%s is not what the experiment came to; it is made again", place.path / "summary.json")
        outcome = _measured(config, place, identity)
        summary = _summary(config, overrides, outcome)
        place.write("summary.json", summary)
        place.write("DONE", {"sha256": _digest(summary)})
        return summary


def _digest(summary: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(summary).encode()).hexdigest()


def snapshot(config) -> dict[str, Any]:
    """The experiment as plain data, for config.json: in the form of a training run's, with one row."""
    knobs = json.loads(config.to_json())
    title, about = knobs.pop("title"), knobs.pop("about")
    rows = [{"name": config.experiment, "config": knobs}]
    return {"title": title, "about": about, "experiment": config.experiment, "claims": [], "rows": rows}


def compare(place: tracking.Workdir, identity: Mapping[str, Any]) -> None:
    """Raise WorkdirMismatch (exit 78) if the workdir is that of other knobs, another experiment, or a training run."""
    stored = place.read("config.json")
    if stored is None:
        return
    owner = stored.get("experiment")
    if owner != identity["experiment"] and tracking.is_run(stored):
        what = f"the experiment {brief(owner)}" if owner else "a training run"
        raise WorkdirMismatch(f"workdir {place.path} belongs to {what}; choose another --workdir")
    place.compare(identity)


def _measured(config, place: tracking.Workdir, identity: Mapping[str, Any]) -> Outcome:
    """The workdir is claimed first, and given back if the knobs turn out to contradict each other."""
    ours = place.read("config.json") is None
    place.claim(identity)
    place.write("provenance.json", provenance.provenance((), {}))
    logger.info("%s: %d seeds from %d", config.experiment, config.seeds, config.seed)
    start = time.perf_counter()
    try:
        outcome = theory.load(config.experiment).run(config)
    except ValueError as error:
        # A ValueError that lamv itself raises is about the knobs; one of a library below it is a bug.
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if PACKAGE not in Path(frame.f_code.co_filename).parents and not isinstance(error, ConfigError):
            raise
        if ours:
            for name in ("config.json", "provenance.json"):
                (place.path / name).unlink(missing_ok=True)
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{config.experiment} cannot run with these knobs: {error}") from error
    seconds = time.perf_counter() - start
    place.timing.append([{"experiment": config.experiment, "seconds": round(seconds, 3)}])
    logger.info("%s took %.1f s", config.experiment, seconds)
    if outcome.sources:
        place.write("provenance.json", provenance.provenance(outcome.sources, {}))
    return outcome


def _summary(config, overrides: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    about = {"title": config.title, "about": config.about, "experiment": config.experiment, "overrides": overrides}
    checks = [check._asdict() for check in outcome.checks]
    measured = {"checks": checks, "figures": outcome.figures, "remarks": outcome.remarks}
    return plain(about | {"rows": outcome.rows, "claims": []} | measured)
