"""A run: when what happens. All rows of a recipe advance together, from one checkpoint to the next.

So one number, the step, is the position of a run; a mistake in the last row shows in the first minute; and rows can be
compared while they train. Order, from cheap to dear: check the config, lock the workdir, read teachers and data, check the
config against them, look for a checkpoint, see that there is room for more, and only then compile.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from lamv import config as configs
from lamv import files, stopping, xla
from lamv.core import methods
from lamv.core.batch import whole
from lamv.core.targets import one_hot
from lamv.data import description
from lamv.errors import CheckpointError, Preempted, WorkdirMismatch
from lamv.failpoints import failpoint
from lamv.rows import choose, expand, left_out
from lamv.train import budget, floor, parallel, provenance, summary, teacher, tracking
from lamv.train.checkpoint import Checkpoints
from lamv.train.progress import Progress
from lamv.train.session import Session
from lamv.train.variants import Stack, VariantRun, stacks

#: A dispatch lasts about this long at most, so that progress moves and a signal is heard. Bits do not depend on it.
SECONDS_A_PIECE = 2.0
logger = logging.getLogger("lamv.train")


def train(
    config, workdir: str | Path, overrides: Mapping[str, Any] | None = None, devices: Sequence | None = None,
    only: str = "", began: Callable[[], None] = lambda: None,
) -> dict[str, Any]:  # fmt: skip
    """Train every row of a recipe with every seed; returns the content of summary.json.

    config: a filled lamv.config.defaults(). overrides: what the command line set, for all rows. devices: None for all.
    only: patterns of rows (lamv.rows); "" for all. began: called before the first step, in the process that writes, once
    the files are those of the last checkpoint. An interrupted run goes on from its last whole checkpoint and ends with the
    same bits; a finished one is left as it is. Processes other than the first get a summary without rows. Raises
    LamvError's subclasses, each with its exit code.
    """
    overrides = dict(overrides or {})
    of_recipe = expand(config, overrides)
    rows = choose(of_recipe, only, overrides)
    run, note = configs.snapshot(config, rows), left_out(of_recipe, rows, config.claims)
    config = rows[0].config  # what belongs to the run is the same in all rows; overrides are in it
    parallel.agree(configs.fingerprint(run))
    with tracking.Workdir(workdir, writes=jax.process_index() == 0) as store:
        store.compare(run)
        done = _done(store, run, overrides)
        if done is not None:
            logger.info("%s is done; nothing to do", store.path)
            return done
        teachers = teacher.of_rows(rows)
        before = store.read("provenance.json") or {}
        teacher.check_same(before.get("teachers", ()), teachers.values())
        session = Session(rows, devices)
        budget.check(rows, session)
        row_runs = [VariantRun(row, session, teachers.get(row.name)) for row in rows]
        changed = provenance.same_data(before, session.sources)
        if changed:
            raise WorkdirMismatch(
                f"workdir {store.path} was begun with other data: {changed}; put the data back, or choose another --workdir"
            )
        reading = session.described(row_runs)
        _check_begun(store)
        store.claim(run)
        _announce(reading, note, session, row_runs)
        checkpoints = Checkpoints(
            store.path / "checkpoints", configs.fingerprint(run), [row.name for row in rows], config.keep_checkpoints,
            data=[source.sha256 for source in session.sources],
        )  # fmt: skip
        with contextlib.closing(checkpoints), stopping.StopRequest() as stop:
            with stop.nothing_to_lose():
                described = teacher.described(teachers.values())
                now = provenance.provenance(session.sources, session.layout.mesh.shape, described, reading)
                step = _resume(row_runs, checkpoints, store)
                _note_changes(store, before, now, step)
                states = [replicas.state for row in row_runs for replicas in row.replicas]
                nbytes = sum(leaf.nbytes for leaf in jax.tree.leaves(states))
                checkpoints.check_space(nbytes, _saves(row_runs, config, step))
            if store.writes:
                began()
            _run(row_runs, config, step, store, checkpoints, stop)
        return _finish(row_runs, store, run, overrides, reading, note)


def _announce(reading: Mapping[str, Any], note: str, session: Session, row_runs: Sequence[VariantRun]) -> None:
    """What was read, the rows and their targets."""
    for line in [*description.lines(reading), *filter(None, [note])]:
        logger.info("%s", line)
    logger.info("devices %s", dict(session.layout.mesh.shape))
    logger.info("%s", "; ".join(f"{name}: {value}" for name, value in xla.settings().items()))
    for row in row_runs:
        words = describe(row.config, row.view.num_classes)
        logger.info("%s: %s; %d seeds, %d steps", row.name, words, row.config.seeds, row.steps)


def _check_begun(store: tracking.Workdir) -> None:
    """Raise CheckpointError (exit 74) for a run that has had checkpoints and has none: it would begin anew."""
    folder = store.path / "checkpoints"
    if store.writes and not store.has_checkpoints() and store.had_checkpoints():
        raise CheckpointError(
            f"workdir {store.path} has lines of steps that were trained, and its checkpoints are gone; restore {folder} from"
            " a copy, or start again in a new workdir"
        )


def _resume(row_runs: Sequence[VariantRun], checkpoints: Checkpoints, store: tracking.Workdir) -> int:
    """Load the newest checkpoint and bring the workdir's files back to it; returns its step."""
    started = time.perf_counter()
    restored = checkpoints.restore()
    if restored is None:
        if store.writes and store.metrics.any():
            logger.warning("%s was stopped before its first checkpoint; it begins at step 0 again", store.path)
        for lines in (store.metrics, store.timing):
            lines.back_to_step(-1)
        for row in row_runs:
            row.init()
        return 0
    for number, row in enumerate(row_runs):
        row.load(restored.tree[str(number)])
    logger.info("resuming at step %d", restored.step)
    for lines in (store.metrics, store.timing):
        if lines.path.name not in restored.lines:
            lines.back_to_step(restored.step)
            continue
        wrong = lines.back_to(restored.lines[lines.path.name])
        if wrong:
            logger.warning(
                "%s is written again as the checkpoint of step %d has it: %s", lines.path, restored.step, wrong
            )
    store.timing.append(
        [{"step": restored.step, "event": "resumed", "seconds": round(time.perf_counter() - started, 6)}]
    )
    return restored.step


def _note_changes(store: tracking.Workdir, before: Mapping[str, Any], now: Mapping[str, Any], step: int) -> None:
    """Write provenance.json; warn of what has changed since."""
    if not step:  # nothing was trained by what was here before
        store.write("provenance.json", now)
        return
    changed = provenance.changes(before, now)
    if changed:
        logger.warning(
            "since this run was begun, or went on last, this has changed: %s; its bits may not be those of an unbroken run",
            provenance.in_a_line(changed),
        )
    if not before:
        logger.warning("provenance.json was missing and is written anew; what the run was begun with is not known")
    store.write("provenance.json", provenance.continued(before, now, step))


def _saves(row_runs: Sequence[VariantRun], config, step: int) -> int:
    """How many checkpoints will be written from a step on."""
    last, every = max(row.steps for row in row_runs), config.checkpoint_every
    return 0 if step == last else len({*range(step - step % every + every, last, every), last}) if every else 1


def _run(
    row_runs, config, step: int, store: tracking.Workdir, checkpoints: Checkpoints, stop: stopping.StopRequest
) -> None:
    last = max(row.steps for row in row_runs)
    marks = [period for period in (config.log_every, config.eval_every, config.checkpoint_every) if period]
    together, saved = stacks(row_runs), step
    with Progress([(row.name, row.steps) for row in row_runs], step) as progress:
        while step < last:
            active = [row for row in row_runs if row.steps > step]
            # The next step at which anything is due; a row that is shorter than the others ends on one of its own.
            due = min([step + mark - step % mark for mark in marks] + [row.steps for row in active])
            step, start = min(due, step + _piece(active, progress)), step
            # What compiles first may be abandoned, which may take minutes; later on, there are steps to lose.
            with stop.nothing_to_lose(start == saved and not progress.knows(active)):
                for stack in together:
                    if stack.steps > start:
                        _advance(stack, start, step, progress)
            failpoint("advanced")
            if step == due:
                _record(active, step, config, store, progress)
            # With several processes: whether one of them received a signal; the answer is the same in all at one step.
            if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
                stop.asked = "SIGTERM"
            saves = bool(config.checkpoint_every) and step % config.checkpoint_every == 0
            if step == last or stop.asked or saves:
                _save(step, row_runs, store, checkpoints)
                saved = step
            if stop.asked and step < last:
                raise Preempted(
                    f"stopped by {stop.asked} at step {step} of {last}, all saved; run the same command again"
                )


def _save(step: int, row_runs: Sequence[VariantRun], store: tracking.Workdir, checkpoints: Checkpoints) -> None:
    before = time.perf_counter()
    lines = {lines.path.name: lines.seal() for lines in (store.metrics, store.timing)}
    checkpoints.save(step, {str(n): row.arrays() for n, row in enumerate(row_runs)}, lines)
    store.timing.append([{"step": step, "event": "saved", "seconds": round(time.perf_counter() - before, 6)}])


def _advance(stack: Stack, start: int, stop: int, progress: Progress) -> None:
    before = time.perf_counter()
    stack.advance(start, stop)
    stack.wait()
    share = (time.perf_counter() - before) / len(stack.rows)
    for row in stack.rows:
        progress.advanced(row.name, stop - start, share)


def _piece(rows: Sequence[VariantRun], progress: Progress) -> int:
    """Steps of the next dispatch. Processes must not differ in it, so several do not go by the clock."""
    if jax.process_count() > 1:
        return max(row.steps for row in rows)
    return progress.piece([row.name for row in rows], SECONDS_A_PIECE)


def _record(rows: Sequence[VariantRun], step: int, config, store: tracking.Workdir, progress: Progress) -> None:
    """The lines of this step in metrics.jsonl, one for each row and seed, where any are due."""
    logs = step % config.log_every == 0
    evaluates = bool(config.eval_every) and step % config.eval_every == 0
    for row in rows:
        ends = step == row.steps
        if not (logs or evaluates or ends):
            continue
        losses = row.take_loss(step)
        lines = [
            {"step": step, "row": row.name, "replica": r, "seed": row.config.seed + r, "train/loss": loss}
            for r, loss in enumerate(losses)
        ]
        if evaluates or ends:
            # A row whose numbers may be those of this step wants all of them.
            measured = row.evaluate(list(row.view.tests) if row.config.select.rule == "last" and not ends else None)
            lines = [line | new for line, new in zip(lines, measured, strict=True)]
        store.metrics.append(lines)
        store.timing.append([{"step": step, "row": row.name, **progress.take_timing(row.name)}])
        progress.loss(row.name, float(np.mean(losses)), partial(floor.of_row, row, step))


def _finish(
    row_runs: Sequence[VariantRun],
    store: tracking.Workdir,
    run: Mapping,
    overrides: Mapping,
    reading: Mapping,
    note: str,
) -> dict[str, Any]:
    """Write summary.json from the lines of metrics.jsonl, so that the two agree; then DONE."""
    arrays = [array for row in row_runs for array in row.arrays().values()]
    notes = [*filter(None, [note]), *(said for row in row_runs for said in row.program.mitigation.notes(row))]
    if not store.writes:
        return {"title": run["title"], "overrides": overrides, "rows": [], "claims": []}
    made = summary.of_run(run, overrides, store.metrics.parsed(), reading, notes)
    store.write("summary.json", made)
    done = {
        "sha256": tracking.digest(arrays), "metrics": store.metrics.digest(), "summary": summary.digest(made),
        "notes": notes,
    }  # fmt: skip
    store.write("DONE", {**done, "self": files.hash_of(done)})
    return made


def _done(store: tracking.Workdir, run: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any] | None:
    """The summary of a finished workdir; None for one that is not finished, or is damaged, which is logged."""
    done = store.read_whole("DONE")
    if done is None:
        return None
    if list(done) == ["sha256"]:  # by an earlier version, which knew no more
        return store.read_whole("summary.json")
    if done.get("self") != files.hash_of(done):
        logger.warning("%s is damaged, and is made again from the last checkpoint", store.path / "DONE")
        return None
    if not store.metrics.matches(done["metrics"]):
        logger.warning("%s is not as it was when the run ended; looking at the last checkpoint", store.metrics.path)
        return None
    stored = store.read_whole("summary.json") or {}
    if summary.is_whole(stored) and summary.digest(stored) == done["summary"]:
        return stored
    logger.warning("%s is not as it was when the run ended, and is made again", store.path / "summary.json")
    reading = (store.read("provenance.json") or {}).get("reading")
    reading = reading if isinstance(reading, dict) else {}
    made = summary.of_run(run, overrides, store.metrics.parsed(), reading, done["notes"])
    if summary.digest(made) != done["summary"]:  # what was read is kept in provenance.json, which has changed too
        return None
    store.write("summary.json", made)
    return made


def describe(config, num_classes: int) -> str:
    """What a row trains, for the log: methods with their knobs and targets, mitigation, teacher."""
    first, *then = (_described(name, config, num_classes) for name in configs.methods_of(config))
    words = first + "".join(f"; from step {config.method.switch} on {words}" for words in then)
    if config.mitigation.name != "erm":
        words += f"; mitigation {config.mitigation.name}"
    if config.loss.max_suppression:
        words += f"; MaxSup {config.loss.max_suppression:g} x (max z - mean z) in the loss"
    distill = config.distill
    if not distill.row:
        return words
    return f"{words}; distilled from {distill.row!r} at temperature {distill.temperature:g}, weight {distill.weight:g}"


def _described(name: str, config, num_classes: int) -> str:
    """A method with its knobs and, where the label alone decides it, the target."""
    method = methods.METHODS[name]
    asks = methods.knobs_of(method)
    alone = not {"rows", "prior", "running", "soft_labels"} & set(asks)  # a function of the label and nothing else
    # What is left at its empty default need not be said, nor that labels are not smoothed before they are mixed.
    said = [knob for knob in asks if knob in config.method and (config.method[knob] or knob == "smoothing")]
    if not alone and not config.method.smoothing:
        said = [knob for knob in said if knob not in ("smoothing", "convention")]
    words = f"{name}({', '.join(f'{knob}={config.method[knob]}' for knob in said)})"
    if not alone or num_classes == 1:
        return words
    target = one_hot(jnp.zeros(1, jnp.int32), num_classes)
    made = methods.apply(method, jax.random.key(0), None, target, knobs=config.method.to_dict(), rows=whole(1))
    on_label, on_other = (float(value) for value in made.targets[0][:2])
    return f"{words}: target {on_label:.4g} on the label, {on_other:.4g} on each other class"
