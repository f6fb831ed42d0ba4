"""What a trained model has learned, from its checkpoints alone: every metric of a run, and more than training measured.

For each checkpoint, row and seed, one line goes to evaluation.jsonl, with keys like those of metrics.jsonl; what is drawn
rather than read (reliability, risk over coverage, projections, intervals) goes to evaluation_curves.jsonl, a curve a
line; and evaluation_provenance.json says with what it was computed, and what was left out and why. The files are written
anew after every checkpoint, so an evaluation that is stopped leaves what it had.

The run may be going on, or have been copied here from elsewhere, and may have been trained on other devices.
"""

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from lamv import config as configs
from lamv import data
from lamv.compare.baseline import baseline_of
from lamv.core import metrics, selection, shortcuts
from lamv.core.corruptions import CORRUPTIONS
from lamv.core.information import mutual_information
from lamv.core.projection import project, template_plane
from lamv.data.resident import Examples, Table, cut, examples_of
from lamv.errors import CheckpointError, ConfigError, DataError, NotFiniteError, WorkdirMismatch, nearest
from lamv.evaluate import measures
from lamv.evaluate.passes import JITTER, NODES, Passes
from lamv.evaluate.probes import probe
from lamv.files import write_whole
from lamv.results import jsonl, runs
from lamv.results.runs import Row
from lamv.train import budget, parallel
from lamv.train.checkpoint import Checkpoints
from lamv.train.provenance import provenance, same_data
from lamv.train.rows import Bench, Lane, RowRun, evenly
from lamv.train.tracking import recorded

#: Views of an image, images of a class, and examples of a class: for the estimate of information and the projections.
VIEWS, INFORMATION_EXAMPLES, PROJECTED = 20, 200, 100
#: How many of its own training examples are looked at for each value of lam.
OWN_EXAMPLES = 4000
#: Rows that a note names.
NAMED = 4
logger = logging.getLogger("lamv.evaluate")
#: Methods that weigh their rows: their loss is no plain mean, and not what the bounds speak of.
WEIGHTED = ("regmixup", "rc_mixup")


class Wanted(NamedTuple):
    """What to compute beyond the metrics that training measures too.

    brief: nothing. examples: of the training set, of the validation set and of another data set, at the most; None: as
    many as data.eval_train_size says. classes: three of them, for the projection; the first two, for the information.

    These take long, and are of the last checkpoint only. attacks, corruptions: sizes, in raw units (images in [0, 1]).
    robust_examples: of the test set, for these. probe: layers, or "all" alone. transfer: "NAME" or "NAME:PATH" of the data
    set to probe on; "": the run's own.
    """

    brief: bool = False
    examples: int | None = None
    classes: tuple[int, int, int] = (0, 1, 2)
    attacks: tuple[float, ...] = ()
    corruptions: tuple[float, ...] = ()
    robust_examples: int = 1000
    probe: tuple[str, ...] = ()
    transfer: str = ""


def evaluate(
    workdir: str | Path,
    which: str = "last",
    data_path: str | None = None,
    devices: Sequence | None = None,
    wanted: Wanted = Wanted(),  # noqa: B008  (immutable)
) -> list[dict[str, Any]]:
    """Metrics of every row and seed on every split, the training set included; also written to evaluation.jsonl.

    which: "last", "all", or steps with commas between. data_path: where the data lies now, if not where it was. Raises
    LamvError's subclasses.
    """
    workdir = Path(workdir)
    run = recorded(workdir)
    rows = configs.rows_of(run, {"data.path": data_path} if data_path else {})
    checkpoints = Checkpoints.reading(workdir / "checkpoints", configs.fingerprint(run), [row.name for row in rows])
    steps = _chosen(which, checkpoints.steps(), workdir)
    bench = Bench(rows, devices)
    budget.check(rows, bench, evaluates=True)
    analyses = [Analysis(row, bench, wanted) for row in rows]
    baselines = _baselines(rows)
    lines: list[dict] = []
    curves: list[dict] = []
    notes = _changes(workdir, bench)
    for step in steps:
        tree = _tree(checkpoints, step, notes if len(steps) > 1 else None)
        if tree is None:
            continue
        found = []
        for number, analysis in enumerate(analyses):
            analysis.row.load(tree[str(number)])
            found.append(analysis.at(step, last=step == steps[-1]))
        for number, analysis in enumerate(analyses):
            base = found[baselines[number]] if number in baselines else None
            against = rows[baselines[number]].name if base else None
            for replica, one in enumerate(found[number]):
                seed = analysis.row.config.seed + replica
                head = {"step": step, "row": analysis.row.name, "replica": replica, "seed": seed}
                lines.append({**head, **one.metrics})
                curves += [{**head, **curve} for curve in one.curves]
                if len(found[number]) == 1 and one.examples:
                    told = measures.intervals(one.examples, base and base[0].examples, against)
                    curves += [{**head, "split": "test", **curve} for curve in told]
        logger.info("step %d evaluated", step)
        if parallel.is_main_process():
            _write(workdir, lines, curves, _provenance(bench, analyses, wanted, steps, notes))
    if not lines:
        raise CheckpointError(
            f"none of the checkpoints in {workdir} can be read (steps {steps}); restore them from a copy"
        )
    return lines


def _changes(workdir: Path, bench: Bench) -> list[str]:
    """A note where the data is no longer what the run was trained on; said at once, too."""
    changed = same_data(jsonl.read_object(workdir / "provenance.json", []), bench.sources)
    if not changed:
        return []
    note = f"the data is not that of the training: {changed}"
    logger.warning("%s", note)
    return [note]


def claims_of(workdir: str | Path) -> tuple[int | None, list[dict[str, Any]]]:
    """The last step of a finished run, and its claims as summary.json has them: they speak of that step. Else (None, []).

    Where a rule chose the steps of a row, claims speak of no single step.
    """
    workdir = Path(workdir)
    summary = jsonl.read_object(workdir / "summary.json", [])
    lines = jsonl.read_lines(workdir / "metrics.jsonl", [], grows=True)
    if not summary or not lines:
        return None, []
    try:
        rows = runs.rows_of(summary)
        runs.claims_of(summary, rows)
    except DataError as error:
        logger.warning("%s: no claims are judged: %s", workdir, error)
        return None, []
    chosen = any(row.selected for row in rows)
    return (None, []) if chosen else (max(line["step"] for line in lines), summary["claims"])


class Found(NamedTuple):
    """Of one replica at one checkpoint. examples: what is known of each test example, by metric."""

    metrics: dict[str, float]
    curves: list[dict[str, Any]]
    examples: dict[str, np.ndarray]


class Analysis:
    """All that is computed of one row. `notes`: what was not, and why, as keys."""

    def __init__(self, row: configs.Row, bench: Bench, wanted: Wanted):
        self.row, self.wanted = RowRun(row, bench), wanted
        self.passes = Passes(self.row)
        self.notes: dict[str, None] = {}
        self._regression = self.row.plan.regression
        self._check()
        self._other = self._other_data() if wanted.probe else None

    def at(self, step: int, last: bool = True) -> list[Found]:
        """Everything, of each replica, at the checkpoint whose state the row has; what takes long at the last one only."""
        found = []
        for lane in self.row.lanes:
            first = lane.seeds[0] - self.row.config.seed
            found += self._of_lane(lane, slice(first, first + len(lane.seeds)), step, last)
        return found

    def _of_lane(self, lane: Lane, replicas: slice, step: int, last: bool) -> list[Found]:
        tables = self._tables(replicas)
        found = [Found({}, [], {}) for _ in lane.seeds]
        kernels = self._last_kernels(lane)
        held = self._held(lane, tables.get("valid") or tables.pop("validation", None))
        centres = None
        for split, table in tables.items():
            seen = self.passes.seen(lane, table, centres)
            if split == "train" and not self._regression:
                centres = seen.geometry.mean
                seen = seen._replace(nearest=self.passes.seen(lane, table, centres).nearest)
            self._add_split(found, split, seen, table, kernels, held, replicas.start, with_nearest=centres is not None)
        self._add_reliance(found, lane)
        if not self.wanted.brief:
            self._add_own(found, lane, step)
            if not self._regression:
                self._add_projection(found, lane, tables, kernels)
                self._add_information(found, lane, tables)
        if last:
            self._add_robustness(found, lane, tables["test"])
            self._add_probe(found, lane, tables)
            if self.row.config.seeds == 1 and not self._regression and not self.wanted.brief:
                self._add_deviations(found[0], lane, tables["test"])
        return found

    def _add_split(self, found, split, seen, table: Table, kernels, held, first: int, with_nearest: bool) -> None:
        """first: number of the replica that is `found[0]`."""
        if not np.isfinite(seen.logits).all():
            raise NotFiniteError(
                f"the outputs of row {self.row.name!r} on {split} are not finite; look at an earlier step with --checkpoints"
            )
        by_layer = measures.variances(seen)
        for r, one in enumerate(found):
            labels = self.row.labels_of(table, r)
            hold = held and held[r]
            kernel = None if kernels is None else kernels[r]
            predictions = jax.tree.map(itemgetter(r), seen.predictions)
            numbers = self.row.in_numbers(predictions, first + r)
            numbers |= {} if self._regression else measures.of_split(seen, r, labels, kernel, hold)
            numbers |= {name: float(values[r]) for name, values in by_layer.items()}
            if with_nearest:
                numbers["collapse/nc4"] = 1 - float(seen.nearest[r]) / len(labels)
            self._add(one, split, numbers)
            if not self._regression and not self.wanted.brief:
                one.curves.extend(measures.groups_of_split(predictions, split, self.row.plan.num_attributes))
            if split == "test" and not self._regression and not self.wanted.brief:
                curves = measures.curves_of_split(seen, r, labels, hold)
                one.curves.extend({"split": split, **curve} for curve in curves)
                one.examples.update(measures.of_examples(seen.logits[r], labels))

    def _note(self, what: str) -> None:
        """Something was not computed, and why; said once, however many checkpoints."""
        self.notes[what] = None

    def _add(self, one: Found, split: str, numbers: Mapping[str, float]) -> None:
        """The metrics under the name of their split; what is not finite is left out."""
        kept = measures.finite(numbers)
        lost = [name for name in numbers if name not in kept]
        if lost:
            self._note(f"not finite and left out: {', '.join(f'{split}/{name}' for name in lost)}")
        one.metrics.update({f"{split}/{name}": value for name, value in kept.items()})

    def _add_reliance(self, found, lane: Lane) -> None:
        """What speaks of the cue and is of no single split."""
        for one, of_weights in zip(found, self.row.weight_norm_ratios(lane) or [{}] * len(found), strict=True):
            one.metrics.update({f"test/{name}": value for name, value in of_weights.items()})
            one.metrics.update(metrics.cue_drop(one.metrics))

    def _add_own(self, found, lane: Lane, step: int) -> None:
        config = self.row.config
        if config.loss.name != "cross_entropy":
            why = "its loss is not the cross-entropy"
        elif any(name in WEIGHTED for name in configs.methods_of(config)):
            why = "its method weighs the rows of a batch"
        elif self.row.program.mitigation.weighs:
            why = "its mitigation weighs the rows of a batch"
        else:
            why = "its loss has the teacher's share in it" if config.distill.row else ""
        if why:
            self._note(f"no bounds on its own inputs, as {why}")
            return
        most = min(OWN_EXAMPLES, self._most)
        passes = [(weight, self.passes.own(lane, step, most, lam)) for lam, weight in self.passes.nodes(step)]
        for r, one in enumerate(found):
            own = measures.of_own([(w, {name: v[r] for name, v in values.items()}) for w, values in passes])
            if own["rows_per_cell"] < measures.FEWEST:
                few = f"{own['rows_per_cell']:.3g} rows a cell"
                self._note(f"no variance within cells on its own inputs, as its targets hardly ever repeat ({few})")
            self._add(one, "augmented", own)

    def _add_deviations(self, one: Found, lane: Lane, table: Table) -> None:
        """How far each test example is from its class, of which V_W is the mean, for a bootstrap over examples."""
        kept = self.passes.kept(lane, table)
        labels = self.row.labels_of(table, 0)
        for where in ("features", "outputs"):
            one.examples[f"{where}/within_variance"] = measures.deviations(kept[where][0], labels)

    def _add_projection(self, found, lane: Lane, tables, kernels) -> None:
        classes = self.wanted.classes
        if kernels is None or self.row.plan.num_classes < 3 or kernels.shape[1] < 2:
            self._note("no projection, which takes three classes and two features or more")
            return
        for split in ("train", "test"):
            if split not in tables:
                continue
            chosen = self._of_classes(tables[split], classes, PROJECTED)
            if chosen is None:
                continue
            features = self.passes.kept(lane, chosen)["features"]
            for r, one in enumerate(found):
                try:
                    plane = template_plane(kernels[r].T[list(classes)])
                except ValueError:
                    self._note("no projection, as its templates lie on a line")
                    continue
                x, y = project(features[r], plane).T
                labels = self.row.labels_of(chosen, r)
                one.curves.append({
                    "split": split, "kind": "projection", "classes": list(classes),
                    "names": [self.row.names.classes[c] for c in classes],
                    "x": _rounded(x), "y": _rounded(y), "label": [classes.index(int(label)) for label in labels],
                    "templates": [_rounded(t) for t in project(kernels[r].T[list(classes)], plane)],
                })  # fmt: skip

    def _add_information(self, found, lane: Lane, tables) -> None:
        if "train" not in tables:
            return
        a, b = self.wanted.classes[:2]
        chosen = self._of_classes(tables["train"], (a, b), INFORMATION_EXAMPLES)
        if chosen is None:
            return
        logits = self.passes.drawn(lane, chosen, VIEWS)
        for r, one in enumerate(found):
            try:
                information = mutual_information(logits[r, :, :, a] - logits[r, :, :, b])
            except ValueError:
                self._note("no estimate of information, as all views of an image look alike")
                continue
            limit = math.log(chosen.rows.shape[1])
            self._add(one, "train", {"information": information, "information_limit": limit})

    def _add_robustness(self, found, lane: Lane, table: Table) -> None:
        if self._regression or not (self.wanted.attacks or self.wanted.corruptions):
            return
        few = jax.tree.map(lambda values: values[:, : self.wanted.robust_examples], table)
        labels = [self.row.labels_of(few, r) for r in range(len(found))]

        def add(name: str, logits: np.ndarray) -> None:
            for one, own, true in zip(found, logits, labels, strict=True):
                margins = selection.margins(own, true)
                self._add(
                    one, f"test/{name}", {"accuracy": np.mean(own.argmax(1) == true), "margin_mean": margins.mean()}
                )

        for kind in ("fgsm", "pgd"):
            for eps in self.wanted.attacks:
                add(f"attack/{kind}_{eps:g}", self.passes.attacked(lane, few, kind, eps))
        if self.wanted.corruptions and len(self.row.stored_shape) != 3:
            self._note("no corruptions, as the inputs are not images")
            return
        for kind in CORRUPTIONS:
            for level in self.wanted.corruptions:
                add(f"corruption/{kind}_{level:g}", self.passes.corrupted(lane, few, kind, level))

    def _add_probe(self, found, lane: Lane, tables) -> None:
        if not self.wanted.probe:
            return
        if self._regression:
            self._note("no probe, as the labels are numbers")
            return
        name, parts, examples, labels = self._other or (self.row.config.data.name, tables, None, None)
        if "train" not in parts:
            self._note("no probe, as data.eval_train_size is 0; give --examples")
            return
        parts = {split: _for_replicas(parts[split], len(lane.seeds)) for split in ("train", "test")}
        kept = {split: self.passes.kept(lane, table, examples) for split, table in parts.items()}
        layers = self._layers() if self.wanted.probe == ("all",) else self.wanted.probe
        for r, one in enumerate(found):
            own = {
                split: self.row.labels_of(table, r) if labels is None else labels[table.rows[r]]
                for split, table in parts.items()
            }
            for layer in layers:
                where = layer if layer in ("features", "logits", "outputs") else f"layers/{layer}"
                train, test = kept["train"][where][r], kept["test"][where][r]
                result = probe(train, own["train"], test, own["test"])
                one.metrics[f"probe/{name}/{layer}/accuracy"] = result["accuracy"]
                one.metrics[f"probe/{name}/{layer}/train_accuracy"] = result["train_accuracy"]

    @property
    def _most(self) -> int:
        """How many examples of a part are looked at, at the most."""
        return self.row.config.data.eval_train_size if self.wanted.examples is None else self.wanted.examples

    def _tables(self, replicas: slice) -> dict[str, Table]:
        """The splits, training first, as later ones are compared with its class means."""
        plan = self.row.plan
        # Left-out examples, which are no split of the run; where the run has a split for validation, it is that.
        validation = None if "valid" in plan.tests else plan.validation
        few = {"train": plan.train._replace(environments=()), "validation": validation}
        limited = {split: evenly(table, self._most) for split, table in few.items() if table is not None and self._most}
        tables = {**limited, **plan.tests}
        return {split: jax.tree.map(lambda values: values[replicas], table) for split, table in tables.items()}

    def _held(self, lane: Lane, table: Table | None) -> list[measures.Held] | None:
        if table is None or self._regression:
            return None
        logits = self.passes.seen(lane, table).logits
        return [measures.Held(own, self.row.labels_of(table, r)) for r, own in enumerate(logits)]

    def _of_classes(self, table: Table, classes: Sequence[int], most: int) -> Table | None:
        """The first examples of each of these classes, equally many in all replicas; None where a class has none."""
        labels = [self.row.labels_of(table, r) for r in range(len(table.rows))]
        places = [[np.flatnonzero(own == c)[:most] for c in classes] for own in labels]
        fewest = min(len(of) for replica in places for of in replica)
        if not fewest:
            self._note(
                f"no examples of one of the classes {tuple(classes)} where they were wanted; --classes names others"
            )
            return None
        at = np.stack([np.concatenate([of[:fewest] for of in replica]) for replica in places])
        return jax.tree.map(lambda values: np.take_along_axis(values, at, axis=1), table)

    def _last_kernels(self, lane: Lane) -> np.ndarray | None:
        """(R, D, K) kernels of the layer that reads the features; None where it does not tell classes apart."""
        last = self.row.program.model.last
        return None if self._regression else parallel.fetch(lane.state.params[last]["kernel"])

    def _layers(self) -> list[str]:
        return [where.removeprefix("layers/") for where in self.passes.wheres]

    def _check(self) -> None:
        """Flags that do not suit the run, in one line, before anything is compiled."""
        for layer in self.wanted.probe:
            if layer not in self._layers() and self.wanted.probe != ("all",):
                raise ConfigError(
                    f"--probe has {layer!r}, which row {self.row.name!r} lacks{nearest(layer, self._layers())}; its layers:"
                    f" {', '.join(self._layers())}, or all"
                )
        classes, number = self.wanted.classes, self.row.plan.num_classes
        if number >= 3 and (len(set(classes)) != 3 or not all(0 <= c < number for c in classes)):
            raise ConfigError(
                f"--classes is {classes}, must be three different numbers below {number}; for example 0,1,2"
            )

    def _other_data(self):
        """(name, tables, examples, labels) of the data set that is probed on; None: the run's own."""
        if not self.wanted.transfer:
            return None
        name, _, path = self.wanted.transfer.partition(":")
        if name not in data.DATASETS:
            known = ", ".join(data.DATASETS)
            raise ConfigError(f"--transfer is {name!r}, must be one of {known}{nearest(name, data.DATASETS)}")
        splits = data.load(name, path or None, "warn")
        if splits.is_regression:
            raise ConfigError(f"--transfer is {name!r}, must be a data set of classes; a probe tells classes apart")
        if any(splits.standardise) or self.row.plan.standardise:
            raise ConfigError(
                f"--transfer is {name!r}, must be of images: a table is standardised by its own training rows"
            )
        held = examples_of(splits)
        inputs = self._fitted(held.inputs, splits.normalisation.scale, name)
        parts = cut(splits, 0, None)
        tables = {}
        for split, rows in (("train", parts.train), ("test", parts.test)):
            rows = rows[: self._most][None].astype(np.int32)
            tables[split] = Table(rows, np.full_like(rows, shortcuts.ABSENT), np.zeros_like(rows))
        placed = self.row.layout.place(Examples(inputs, np.zeros(len(inputs), np.int32)), replicas=False)
        return name, tables, placed, held.labels

    def _fitted(self, inputs: np.ndarray, scale: float, name: str) -> np.ndarray:
        """Inputs of another data set in the shape and the units that the run's own are stored in."""
        want = self.row.stored_shape
        if inputs.ndim == 4 and len(want) == 3 and inputs.shape[3] != want[2]:
            # Grey to colour: three times the same; colour to grey: the mean.
            inputs = inputs.repeat(want[2], axis=3) if inputs.shape[3] == 1 else inputs.mean(axis=3, keepdims=True)
        if inputs.ndim == 4 and len(want) == 3:
            # Smaller images are put into the middle of black ones.
            missing = [max(0, side - own) for side, own in zip(want[:2], inputs.shape[1:3], strict=True)]
            inputs = np.pad(inputs, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])
        if inputs.shape[1:] != tuple(want):
            raise ConfigError(
                f"--transfer is {name!r}, whose examples have shape {inputs.shape[1:]}, must have {tuple(want)} or less,"
                f" like those of {self.row.config.data.name}; choose another data set"
            )
        own = self.row.plan.normalisation.scale
        return inputs if own == scale else (inputs / scale * own).astype(np.float32)


def _for_replicas(table: Table, replicas: int) -> Table:
    return jax.tree.map(lambda values: np.broadcast_to(values, (replicas, *values.shape[1:])), table)


def _rounded(values) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _baselines(rows: Sequence[configs.Row]) -> dict[int, int]:
    """Number of a row -> number of the ERM row that differs from it in the method only."""
    told = [Row(row.name, configs.nested(row.config), {}) for row in rows]
    found = {number: baseline_of(row, told) for number, row in enumerate(told)}
    return {number: told.index(base) for number, base in found.items() if base is not None}


def _tree(checkpoints: Checkpoints, step: int, notes: list[str] | None):
    """The arrays of a checkpoint. One of several that cannot be read is left out, with a note: None."""
    try:
        return checkpoints.read(step)
    except WorkdirMismatch:
        raise
    except Exception as error:
        # Whatever Orbax, tensorstore or JSON raise over files that are damaged, or that a running run has just deleted.
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        if notes is None:
            raise CheckpointError(
                f"the checkpoint of step {step} cannot be read ({reason}); name another with --checkpoints"
            ) from error
        notes.append(f"The checkpoint of step {step} cannot be read ({reason}) and is left out.")
        return None


def _provenance(
    bench: Bench, analyses: Sequence[Analysis], wanted: Wanted, steps: Sequence[int], notes: Sequence[str]
) -> dict[str, Any]:
    layers = dict.fromkeys(layer for analysis in analyses for layer in analysis._layers()[:-3])
    settings = {**wanted._asdict(), "checkpoints": list(steps), "lam_nodes": NODES, "views": VIEWS, "jitter": JITTER,
                "own_examples": OWN_EXAMPLES}  # fmt: skip
    notes = [*notes, *_notes_in_words(analyses)]
    return {
        **provenance(bench.sources, bench.layout.mesh.shape),
        "settings": settings, "layers": list(layers), "notes": notes,
    }  # fmt: skip


def _notes_in_words(analyses: Sequence[Analysis]) -> list[str]:
    """ "ERM, LS .1 and 3 more rows: no projection, which ...": what was not computed, and of which rows."""
    rows: dict[str, list[str]] = {}
    for analysis in analyses:
        for what in analysis.notes:
            rows.setdefault(what, []).append(analysis.row.name)
    told = []
    for what, names in rows.items():
        more = f" and {len(names) - NAMED} more rows" if len(names) > NAMED else ""
        every = len(names) == len(analyses) > 1
        told.append(f"{'All rows' if every else ', '.join(names[:NAMED]) + more}: {what}.")
    return told


def _write(workdir: Path, lines: Sequence[dict], curves: Sequence[dict], about: Mapping[str, Any]) -> None:
    """The files of an evaluation; the last one has the sha256 of the others, by which a report tells that they belong."""
    digests = {}
    for name, content in (("evaluation.jsonl", lines), ("evaluation_curves.jsonl", curves)):
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in content)
        digests[name] = hashlib.sha256(text.encode()).hexdigest()
        write_whole(workdir / name, text)
    about = {**about, "files": digests}
    write_whole(workdir / "evaluation_provenance.json", json.dumps(about, indent=1, allow_nan=False) + "\n")


def _chosen(which: str, steps: list[int], workdir: Path) -> list[int]:
    if not steps:
        raise CheckpointError(f"{workdir} has no checkpoints; train first, or give another --workdir")
    if which in ("last", "all"):
        return steps if which == "all" else steps[-1:]
    try:
        asked = [int(part) for part in which.split(",")]
    except ValueError:
        asked = [None]
    if not set(asked) <= set(steps):
        raise ConfigError(f"--checkpoints is {which!r}, must be last, all, or some of {steps} with commas between")
    return asked
