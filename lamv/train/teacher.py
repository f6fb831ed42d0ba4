"""Teachers of distillation: rows of other runs.

A row with `distill.row` learns from that row of the workdir `distill.teacher`, seed by seed: replica r from the teacher's
replica r, which had the same seed and so the same cut of the data. Both must see the same inputs (COMMON, checked against
the teacher's config.json); network, method, optimiser and length may differ. The newest whole checkpoint is read; the
teacher's run may still be training.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamv import config as configs
from lamv.errors import ConfigError, DataError, WorkdirMismatch, nearest
from lamv.train import tracking
from lamv.train.checkpoint import Checkpoints, Restored, flat, unflat

#: Knobs that student and teacher must have in common.
COMMON = (
    "seed", "seeds", "data.name", "data.image_size", "data.classes", "data.superclasses", "data.train_size",
    "data.per_class", "data.flatten", "data.normalise",
    *(knob.key for knob in configs.KNOBS if knob.key.startswith("data.shortcut.") and not knob.free),
)  # fmt: skip


class Teacher(NamedTuple):
    """A row of a run at `step`.

    arrays: {"params.head.kernel": (R, ...), ...}, parameters and BatchNorm statistics of all seeds. sha256: their digest.
    """

    path: Path
    row: str
    config: Any
    step: int
    arrays: Mapping[str, np.ndarray]
    sha256: str

    @property
    def program_key(self) -> str:
        """Its part of the key of its students' program: the network."""
        return json.dumps(configs.nested(self.config)["model"], sort_keys=True)

    def variables(self, init: Callable, shape: tuple[int, ...]) -> dict[str, Any]:
        """Its variables with a leading axis of seeds. init: of its model; shape: of an input. Raises DataError."""
        made = jax.eval_shape(partial(init, train=False), jax.random.key(0), jnp.zeros((1, *shape)))
        seeds = self.config.seeds
        template = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((seeds, *leaf.shape), leaf.dtype), dict(made))
        for name, wanted in sorted(flat(template).items()):
            if name in self.arrays and self.arrays[name].shape != wanted.shape:
                raise DataError(
                    f"row {self.row!r} of {self.path} was trained on inputs or classes of another number: {name} is"
                    f" {self.arrays[name].shape} there, and would be {wanted.shape} for this data; give a teacher that was"
                    " trained on it"
                )
        return unflat(template, self.arrays)


def of_rows(rows: Sequence[configs.Variant]) -> dict[str, Teacher]:
    """The teachers by the name of the student's row. All configs are compared before any array is read.

    Raises ConfigError for a teacher that does not suit its student, and DataError for one that cannot be read.
    """
    students = {row.name: row.config for row in rows if row.config.distill.row}
    runs = {
        folder: TeacherRun(folder) for folder in dict.fromkeys(row.config.distill.teacher for row in rows) if folder
    }
    if runs and not students:
        folder, run = next(iter(runs.items()))
        raise ConfigError(
            f"config.distill.teacher is {folder!r}, but config.distill.row does not say who teaches; set it, in a row of the"
            f" recipe or by --config.distill.row, to one of {', '.join(map(repr, run.rows))}"
        )
    for name, config in students.items():
        try:
            _check(config, runs)
        except ConfigError as error:
            raise ConfigError(str(error) if len(rows) == 1 else f"row {name!r}: {error}") from None
    taught = {(config.distill.teacher, config.distill.row): None for config in students.values()}
    teachers = {(folder, row): runs[folder].teacher(row) for folder, row in taught}
    return {name: teachers[config.distill.teacher, config.distill.row] for name, config in students.items()}


def described(teachers: Iterable[Teacher]) -> list[dict[str, Any]]:
    """Each teacher once, for provenance.json."""
    each = {(str(teacher.path), teacher.row): teacher for teacher in teachers}
    return [{"path": path, "row": row, "step": t.step, "sha256": t.sha256} for (path, row), t in each.items()]


def check_same(stored: Sequence[Mapping[str, Any]], teachers: Iterable[Teacher]) -> None:
    """Raise WorkdirMismatch unless a run goes on with the teachers that it began with. stored: `described` then."""
    try:
        began_with = {(teacher["row"], teacher["sha256"]): teacher["step"] for teacher in stored}
    except (KeyError, TypeError):
        raise WorkdirMismatch(
            "the teachers that this run began with cannot be read from its provenance.json; restore that from a copy, or"
            " choose another --workdir"
        ) from None
    for teacher in teachers:
        if began_with and (teacher.row, teacher.sha256) not in began_with:
            steps = sorted({step for (row, _), step in began_with.items() if row == teacher.row})
            raise WorkdirMismatch(
                f"row {teacher.row!r} of {teacher.path} at step {teacher.step} is another teacher than the one that this run"
                f" began with (steps {steps}); give that one, or choose another --workdir"
            )


class TeacherRun:
    """The workdir of a run whose networks are used by another. flag: that named it. Raises DataError where it is none."""

    def __init__(self, folder: str, flag: str = "config.distill.teacher"):
        self.path, self._flag = Path(folder).expanduser(), flag
        self._run = tracking.recorded(self.path, flag)
        self.rows = {row.name: row.config for row in configs.rows_of(self._run, {})}

    def teacher(self, row: str) -> Teacher:
        """A row, at its newest whole checkpoint."""
        newest = self._newest
        of_row = newest.tree[str(list(self.rows).index(row))]
        arrays = {name: of_row[name] for name in sorted(of_row) if name.startswith(("params.", "batch_stats."))}
        return Teacher(self.path, row, self.rows[row], newest.step, arrays, tracking.digest(arrays.values()))

    @cached_property
    def _newest(self) -> Restored:
        """The newest whole checkpoint."""
        folder = self.path / "checkpoints"
        if folder.is_dir():
            with contextlib.closing(
                Checkpoints.reading(folder, configs.fingerprint(self._run), list(self.rows))
            ) as checkpoints:
                newest = checkpoints.restore()
            if newest is not None:
                return newest
        raise DataError(
            f"{self._flag} is {str(self.path)!r}, which has no checkpoints; train it first, by experiments.train"
        )


def _check(config, runs: Mapping[str, TeacherRun]) -> None:
    """Raise ConfigError unless the teacher's row exists and sees the same examples."""
    folder, name = config.distill.teacher, config.distill.row
    if not folder:
        raise ConfigError(
            f"config.distill.row is {name!r}, but there is no teacher; give the workdir of the run that has this row:"
            " --config.distill.teacher=DIR"
        )
    rows = runs[folder].rows
    if name not in rows:
        raise ConfigError(
            f"config.distill.row is {name!r}, must be one of the rows of {folder}:"
            f" {', '.join(map(repr, rows))}{nearest(name, rows)}"
        )
    if rows[name].loss.name != "cross_entropy":
        raise ConfigError(
            f"config.distill.row is {name!r}, whose loss in {folder} is {rows[name].loss.name}, must be a row that was"
            " trained by cross_entropy: its softmax teaches"
        )
    for key in COMMON:
        own, of_teacher = configs.get(config, key), configs.get(rows[name], key)
        if own != of_teacher:
            raise ConfigError(
                f"config.{key} is {own!r}, must be {of_teacher!r} as in row {name!r} of {folder}: teacher and student see"
                " the same examples, seed by seed"
            )
