"""Checkpoints: Orbax's CheckpointManager, and a seal against which what is read is checked.

A checkpoint of step t is `checkpoints/<t>/` with two items. `state` holds, for every row of the recipe by its number, a
flat dict "params.first.kernel" -> array with a leading axis of seeds, to be read without lamv's classes and on any number
of devices. `meta`, JSON, is the seal: format, step, fingerprint of the config, row names, digests of the data, dtype, shape
and sha256 of every array, the lines of metrics.jsonl and timing.jsonl so far, and a hash of itself. Orbax checks neither
array data nor whether a folder is where it was written.

A run goes on from the newest whole checkpoint. Damaged ones are moved to `.damaged/` with a warning.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from lamv import files, memory
from lamv.errors import CheckpointError, NotFiniteError, StorageError, WorkdirMismatch
from lamv.failpoints import failpoint

#: Format that is written. Format 1, which is read too, has neither digests of the data nor lines.
FORMAT = 2
#: Room for what a file system, and Orbax, need beside the arrays.
OVERHEAD, PER_CHECKPOINT = 1.1, 1 << 16
logger = logging.getLogger("lamv.checkpoint")

Tree = dict[str, dict[str, np.ndarray]]


class Restored(NamedTuple):
    """The content of a checkpoint. lines: seals of the files that grow (lamv.train.tracking.Lines), by name."""

    step: int
    tree: Tree
    lines: Mapping[str, Mapping[str, Any]]


class Checkpoints:
    """The checkpoints of one workdir. Every process of a run calls every method; Orbax lets process 0 write.

    fingerprint: lamv.config.fingerprint; data: digests of the data, None: not compared. Checkpoints with others are
    refused, not skipped. keep: how many of the newest are kept; None to read only.
    """

    def __init__(
        self, directory: Path, fingerprint: str, row_names: list[str], keep: int | None,
        data: Sequence[str] | None = None,
    ):  # fmt: skip
        # Imported late: it takes a second or two, which a mistake in a flag should not have to wait for.
        import orbax.checkpoint as ocp

        self._args = ocp.args
        self._directory, self._fingerprint, self._row_names = directory.absolute(), fingerprint, list(row_names)
        self._keep, self._data = keep or 0, None if data is None else sorted(set(data))
        if keep is None:
            options = ocp.CheckpointManagerOptions(read_only=True, save_interval_steps=0, create=False)
        else:
            # With todelete_subdir deleting is one rename: a kill cannot leave half a checkpoint that still looks whole.
            options = ocp.CheckpointManagerOptions(
                max_to_keep=keep, create=True, enable_async_checkpointing=False, cleanup_tmp_directories=True,
                todelete_subdir=".trash",
            )  # fmt: skip
            self._empty_trash()
        talkative = logging.getLogger("absl")
        level = talkative.level
        talkative.setLevel(max(level, logging.ERROR))  # Orbax warns that what is opened to be read cannot be written
        try:
            self._manager = ocp.CheckpointManager(self._directory, options=options)
        finally:
            talkative.setLevel(level)

    @classmethod
    def reading(cls, directory: Path, fingerprint: str, row_names: list[str]) -> "Checkpoints":
        """To read only, while another process may be writing. Raises CheckpointError without a folder."""
        if not directory.is_dir():
            raise CheckpointError(f"there is no {directory}; train first, or give another --workdir")
        return cls(directory, fingerprint, row_names, keep=None)

    def check_space(self, state_bytes: int, saves: int) -> None:
        """Raise StorageError (exit 74) where the disk has no room for the checkpoints that are to come.

        state_bytes: of the arrays of one. saves: how many will be written; one more than are kept exists at a time.
        """
        needed = min(saves, self._keep + 1 - len(self.steps())) * _on_disk(state_bytes)
        free = files.free(self._directory)
        if needed > free:
            raise StorageError(
                f"{self._directory} has no room for the checkpoints of this run: {memory.shown(needed)} are needed and"
                f" {memory.shown(free)} are free; free space, or set a lower --config.keep_checkpoints, and run the same"
                " command again"
            )

    def save(self, step: int, tree: Tree, lines: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the checkpoint of a step and wait until it is on disk. lines: as in Restored.

        Raises NotFiniteError for a state that is not finite (the newest checkpoint must be one to go on from),
        StorageError where the disk is full, and CheckpointError where writing fails otherwise.
        """
        check_finite(step, tree, self._row_names)
        meta = {
            "format": FORMAT, "step": step, "fingerprint": self._fingerprint, "rows": self._row_names,
            "data": self._data, "leaves": _leaves(tree), "lines": dict(lines),
        }  # fmt: skip
        meta["self"] = files.hash_of(meta)
        failpoint("saving")
        try:
            self._manager.save(
                step, args=self._args.Composite(state=self._args.StandardSave(tree), meta=self._args.JsonSave(meta))
            )
            self._manager.wait_until_finished()
        except Exception as error:
            shutil.rmtree(self._directory / f"{step}.orbax-checkpoint-tmp", ignore_errors=True)
            self._empty_trash()
            raise self._not_saved(step, tree, error) from error
        failpoint("saved")
        self._empty_trash()

    def steps(self) -> list[int]:
        """Steps with a checkpoint, whole or not, ascending."""
        return sorted(self._manager.all_steps())

    def restore(self) -> Restored | None:
        """The newest whole checkpoint; None where there is none at all.

        Raises WorkdirMismatch for another config or other data, and CheckpointError where all are damaged.
        """
        damaged = []
        for step in reversed(self.steps()):
            try:
                found = self.read(step)
            except WorkdirMismatch:
                raise
            except Exception as error:
                # Whatever Orbax, tensorstore or JSON raise over damaged files; there is no list of it.
                logger.warning("the checkpoint of step %d is damaged (%s); trying the one before", step, reason(error))
                damaged.append(step)
                continue
            self._put_aside(damaged)
            return found
        if damaged:
            raise CheckpointError(
                f"none of the checkpoints in {self._directory} can be read (steps {damaged}); restore the folder from a"
                " copy, or start again in a new workdir"
            )
        return None

    def read(self, step: int) -> Restored:
        """One checkpoint, compared with its seal. Raises whatever Orbax does for one that is not whole."""
        for place, _, names in os.walk(self._directory / str(step)):
            for name in names:
                try:
                    files.check_is_file(Path(place, name))  # reading a pipe or a device might never end
                except ValueError as error:
                    raise CheckpointError(f"{name} is no file: {error}") from None
        meta = self._manager.restore(step, args=self._args.Composite(meta=self._args.JsonRestore()))["meta"]
        if meta.get("self") != files.hash_of(meta):
            raise CheckpointError(f"the seal of the checkpoint of step {step} is broken")
        if meta["format"] not in range(1, FORMAT + 1):
            raise WorkdirMismatch(
                f"the checkpoint of step {step} in {self._directory} has format {meta['format']}, and this lamv reads 1 to"
                f" {FORMAT}; use the one that wrote it"
            )
        if meta["fingerprint"] != self._fingerprint:
            raise WorkdirMismatch(
                f"the checkpoint of step {step} in {self._directory} belongs to another config; use another --workdir"
            )
        if None not in (self._data, meta.get("data")) and meta["data"] != self._data:
            raise WorkdirMismatch(
                f"the checkpoint of step {step} in {self._directory} was trained on other data; put the data back, or choose"
                " another --workdir"
            )
        if meta["step"] != step:
            raise CheckpointError(f"its folder says step {step}, and its seal step {meta['step']}")
        target = {
            row: {name: np.empty(leaf["shape"], leaf["dtype"]) for name, leaf in leaves.items()}
            for row, leaves in meta["leaves"].items()
        }
        tree = self._manager.restore(step, args=self._args.Composite(state=self._args.StandardRestore(target)))["state"]
        tree = jax.tree.map(np.asarray, tree)
        if _leaves(tree) != meta["leaves"]:
            raise CheckpointError(f"arrays of the checkpoint of step {step} do not have the digests of its seal")
        return Restored(step, tree, meta.get("lines", {}))

    def close(self) -> None:
        self._manager.close()

    def _empty_trash(self) -> None:
        if jax.process_index() == 0:
            shutil.rmtree(self._directory / ".trash", ignore_errors=True)

    def _not_saved(self, step: int, tree: Tree, error: Exception) -> StorageError:
        if any(sign in str(error) for sign in ("RESOURCE_EXHAUSTED", "No space left", "Disk quota exceeded")):
            size = sum(array.nbytes for arrays in tree.values() for array in arrays.values())
            why = files.in_short(files.free(self._directory), _on_disk(size))
            return StorageError(f"the checkpoint of step {step} cannot be written to {self._directory}: {why}")
        return CheckpointError(
            f"the checkpoint of step {step} could not be written to {self._directory} ({reason(error)}); choose another"
            " workdir, or mend this one, and run the same command again"
        )

    def _put_aside(self, steps: list[int]) -> None:
        """Out of the way: Orbax saves no step below the newest it sees."""
        if not steps or not self._keep:
            return
        failpoint("putting_aside")
        if jax.process_index() == 0:
            aside = self._directory / ".damaged"
            aside.mkdir(exist_ok=True)
            for step in steps:
                shutil.rmtree(aside / str(step), ignore_errors=True)
                (self._directory / str(step)).rename(aside / str(step))
        self._manager.reload()


def check_finite(step: int, tree: Tree, row_names: Sequence[str]) -> None:
    """Raise NotFiniteError, naming the array, where a state has NaN or infinity in it."""
    for row, arrays in tree.items():
        for name, array in arrays.items():
            if not np.all(np.isfinite(array)):
                raise NotFiniteError(
                    f"{name} of row {row_names[int(row)]!r} is not finite at step {step}; nothing was saved; the checkpoint"
                    " before it is kept; lower optim.lr or set optim.clip_norm",
                    row=row_names[int(row)],
                )


def flat(tree) -> dict[str, Any]:
    """The leaves of a pytree as {"path.to.leaf": leaf}."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def unflat(template, arrays: Mapping[str, np.ndarray]):
    """The inverse of `flat`, in the structure of `template` (arrays or their shapes).

    Raises WorkdirMismatch where names, shapes or dtypes differ: nothing is cast, nothing is left out.
    """
    named = flat(template)
    for name in sorted({*named, *arrays}):
        expected = (named[name].shape, np.dtype(named[name].dtype)) if name in named else "nothing"
        found = (arrays[name].shape, arrays[name].dtype) if name in arrays else "nothing"
        if expected != found:
            raise WorkdirMismatch(
                f"the checkpoint has {found} for {name}, this model wants {expected}; use a new workdir"
            )
    return jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in named])


def _on_disk(state_bytes: int) -> int:
    """Bytes that a checkpoint of so many takes at the most."""
    return int(OVERHEAD * state_bytes) + PER_CHECKPOINT


def reason(error: Exception) -> str:
    """The first line of a library's message."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _leaves(tree: Tree) -> dict[str, dict[str, dict[str, Any]]]:
    def described(array: np.ndarray) -> dict[str, Any]:
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": digest}

    return {row: {name: described(array) for name, array in arrays.items()} for row, arrays in tree.items()}
