"""Metrics of a trained run, from its checkpoints alone: all that training measured, and more.

For each checkpoint, row and seed, one line goes to evaluation.jsonl, with keys like those of metrics.jsonl; curves of
figures (reliability, risk over coverage, projections, intervals) go to evaluation_curves.jsonl; versions, settings, and
what was left out and why, to evaluation_provenance.json. They are written anew after every checkpoint, so an evaluation
that is stopped leaves what it had. The run may still be training, and may have been trained elsewhere.

To measure something new, write a function (Snapshot) -> a Result for each replica, and list it in EVALUATORS.
"""

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from lamv import config as configs
from lamv.errors import CheckpointError, ConfigError, nearest
from lamv.evaluate import bounds, files, own_inputs, probes, representation, robustness, splits
from lamv.evaluate.files import claims_of
from lamv.evaluate.passes import Passes
from lamv.evaluate.snapshot import Options, Result, Snapshot
from lamv.results import jsonl
from lamv.train import budget
from lamv.train.checkpoint import Checkpoints
from lamv.train.provenance import provenance, same_data
from lamv.train.session import Session
from lamv.train.tracking import recorded
from lamv.train.variants import VariantRun

__all__ = ["EVALUATORS", "Evaluation", "Evaluator", "Options", "claims_of", "evaluate"]
logger = logging.getLogger("lamv.evaluate")


class Evaluator(NamedTuple):
    """measure: (Snapshot) -> a Result for each replica, or [] where there is nothing to measure.

    brief: also runs with --brief. regression: also where labels are numbers. last: only at the last checkpoint. option:
    only where it is given.
    """

    measure: Callable[[Snapshot], list[Result]]
    brief: bool = False
    regression: bool = False
    last: bool = False
    option: str = ""

    def runs(self, options: Options, regression: bool, last: bool) -> bool:
        """Whether it runs, for a row with or without classes, at the last checkpoint or another."""
        return (
            (self.brief or not options.brief)
            and (self.regression or not regression)
            and (last or not self.last)
            and (not self.option or bool(getattr(options, self.option)))
        )


EVALUATORS = (
    Evaluator(splits.splits, brief=True, regression=True),
    Evaluator(splits.reliance, brief=True, regression=True),
    Evaluator(bounds.loss_and_bounds, regression=True),
    Evaluator(representation.projection),
    Evaluator(representation.mixed_projection),
    Evaluator(representation.groups),
    Evaluator(representation.information),
    Evaluator(robustness.under_attack, brief=True, last=True, option="attacks"),
    Evaluator(robustness.under_corruption, brief=True, last=True, option="corruptions"),
    Evaluator(probes.probes, brief=True, regression=True, last=True, option="probe"),
    Evaluator(splits.deviations, last=True),
)


def evaluate(
    workdir: str | Path,
    which: str = "last",
    data_path: str | None = None,
    devices: Sequence | None = None,
    options: Options = Options(),  # noqa: B008  (immutable)
) -> list[dict[str, Any]]:
    """Metrics of every row and seed on every split, the training set included; also written to evaluation.jsonl.

    which: "last", "all", or steps with commas between. data_path: where the data lies now, if not where it was. Raises
    LamvError's subclasses.
    """
    workdir = Path(workdir)
    run = recorded(workdir)
    rows = configs.rows_of(run, {"data.path": data_path} if data_path else {})
    checkpoints = Checkpoints.reading(workdir / "checkpoints", configs.fingerprint(run), [row.name for row in rows])
    steps = files.steps_of(which, checkpoints.steps(), workdir)
    session = Session(rows, devices)
    budget.check(rows, session, evaluates=True)
    evaluations = [Evaluation(row, session, options) for row in rows]
    baseline_of = splits.baselines(rows)
    lines: list[dict] = []
    curves: list[dict] = []
    notes: list[str] = []
    changed = same_data(jsonl.read_object(workdir / "provenance.json", []), session.sources)
    if changed:
        notes.append(f"the data is not that of the training: {changed}")
        logger.warning("%s", notes[0])
    for step in steps:
        tree = files.read_checkpoint(checkpoints, step, notes if len(steps) > 1 else None)
        if tree is None:
            continue
        results = []
        for number, evaluation in enumerate(evaluations):
            evaluation.row.load(tree[str(number)])
            results.append(evaluation.at(step, last=step == steps[-1]))
        for number, evaluation in enumerate(evaluations):
            base = baseline_of.get(number)
            for replica, result in enumerate(results[number]):
                seed = evaluation.row.config.seed + replica
                head = {"step": step, "row": evaluation.row.name, "replica": replica, "seed": seed}
                lines.append({**head, **result.metrics})
                curves += [{**head, **curve} for curve in result.curves]
                if len(results[number]) == 1 and result.examples:
                    against = (None, None) if base is None else (results[base][0].examples, rows[base].name)
                    curves += [{**head, **curve} for curve in splits.interval_curves(result.examples, *against)]
        logger.info("step %d evaluated", step)
        if jax.process_index() == 0:
            files.write(workdir, lines, curves, _about(session, evaluations, options, steps, notes))
    if not lines:
        raise CheckpointError(
            f"none of the checkpoints in {workdir} can be read (steps {steps}); restore them from a copy"
        )
    return lines


class Evaluation:
    """The evaluation of one row. notes: what was left out and why, as keys. Raises ConfigError for unsuitable options."""

    def __init__(self, row: configs.Variant, session: Session, options: Options):
        self.row, self.options = VariantRun(row, session), options
        self.passes = Passes(self.row)
        self.notes: dict[str, None] = {}
        self._check()
        self.other_data = probes.other_data(options, self.row) if options.probe else None

    def at(self, step: int, last: bool = True) -> list[Result]:
        """Of each replica, with the state that the row has; last: whether it is that of the last checkpoint."""
        results = []
        for replicas in self.row.replicas:
            snapshot = Snapshot(self.passes, replicas, self.options, step, self.notes, self.other_data)
            of_replicas = [Result() for _ in snapshot.replicas.numbers]
            for evaluator in EVALUATORS:
                if evaluator.runs(self.options, snapshot.view.regression, last):
                    measured = evaluator.measure(snapshot) or [Result() for _ in of_replicas]
                    for result, new in zip(of_replicas, measured, strict=True):
                        result.metrics.update(self._finite(new.metrics))
                        result.curves.extend(new.curves)
                        result.examples.update(new.examples)
            results += of_replicas
        return results

    def _finite(self, metrics) -> dict[str, float]:
        lost = [name for name, value in metrics.items() if not math.isfinite(value)]
        if lost:
            self.notes[f"not finite and left out: {', '.join(lost)}"] = None
        return {name: float(value) for name, value in metrics.items() if name not in lost}

    def _check(self) -> None:
        # Before anything is compiled.
        layers = self.passes.layers
        for layer in self.options.probe:
            if layer not in layers and self.options.probe != ("all",):
                raise ConfigError(
                    f"--probe has {layer!r}, which row {self.row.name!r} lacks{nearest(layer, layers)}; its layers:"
                    f" {', '.join(layers)}, or all"
                )
        classes, number = self.options.classes, self.row.view.num_classes
        if number >= 3 and (len(set(classes)) != 3 or not all(0 <= c < number for c in classes)):
            raise ConfigError(
                f"--classes is {classes}, must be three different numbers below {number}; for example 0,1,2"
            )


def _about(
    session: Session, evaluations: Sequence[Evaluation], options: Options, steps: Sequence[int], notes: list[str]
):
    """evaluation_provenance.json, but for the digests of the other files."""
    hidden = dict.fromkeys(layer for evaluation in evaluations for layer in evaluation.passes.layers[:-3])
    settings = {
        **options._asdict(), "checkpoints": list(steps), "lam_nodes": own_inputs.NODES, "views": representation.VIEWS,
        "jitter": representation.JITTER, "own_examples": own_inputs.EXAMPLES,
    }  # fmt: skip
    of_rows = files.notes_in_words([(evaluation.row.name, list(evaluation.notes)) for evaluation in evaluations])
    return {
        **provenance(session.sources, session.layout.mesh.shape),
        "settings": settings, "layers": list(hidden), "notes": [*notes, *of_rows],
    }  # fmt: skip
