"""The networks of a run outside of training: a checkpoint, the data, and forward passes over inputs of any number.

Axis letters: N inputs, S seeds of a row, K classes, D units.
"""

import contextlib
import logging
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamv import config as configs
from lamv import models
from lamv.api import inputs as given
from lamv.core import shortcuts
from lamv.core.losses import LOSSES
from lamv.data.resident import Examples, data_view, examples_of
from lamv.data.splits import NONE, Split, joined
from lamv.errors import CheckpointError, ConfigError, LamvError, brief, nearest
from lamv.models.layers import hidden_layers, watching
from lamv.results import jsonl
from lamv.train.batches import Batches, Stored
from lamv.train.checkpoint import Checkpoints, flat, reason, unflat
from lamv.train.provenance import same_data
from lamv.train.replica import traced_knobs
from lamv.train.session import Session
from lamv.train.tracking import recorded

#: What `forward` can return beside the layers of the module.
ENDS = ("features", "logits", "outputs")
logger = logging.getLogger("lamv.api")


class Networks:
    """The networks of all rows of a run, by the name of the row, at one checkpoint.

    step: of the checkpoint, None for the newest that is whole. The data is read here. Raises LamvError's subclasses.
    """

    def __init__(self, path: Path, data_path: str | Path | None, step: int | None):
        self._path, self._step = path, step
        self._recorded = recorded(path, "the workdir")
        # One device: few inputs at a time, and no batch to divide.
        changes: dict[str, Any] = {"parallel.devices": 1, "parallel.spread": 1, "parallel.map": "shard_map"}
        if data_path is not None:
            changes["data.path"] = str(data_path)
        self._rows = {row.name: row for row in configs.rows_of(self._recorded, changes)}
        self._session = Session(list(self._rows.values()))
        changed = same_data(jsonl.read_object(path / "provenance.json", []), self._session.sources)
        if changed:
            logger.warning("the data is not that of the training: %s", changed)
        self._made: dict[str, Network] = {}

    def __getitem__(self, name: str) -> "Network":
        if name not in self._made:
            splits = self._session.splits_for(self._rows[name].config)
            arrays = self._tree[str(list(self._rows).index(name))]
            self._made[name] = Network(self._rows[name].config, splits, arrays)
        return self._made[name]

    @cached_property
    def _tree(self) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of all rows."""
        reading = Checkpoints.reading(self._path / "checkpoints", configs.fingerprint(self._recorded), list(self._rows))
        with contextlib.closing(reading) as checkpoints:
            if self._step is not None:
                return _at_step(checkpoints, self._step)
            newest = checkpoints.restore()
        if newest is None:
            raise CheckpointError(f"{self._path} has no checkpoints yet; its metrics can be read, its networks cannot")
        return newest.tree


def _at_step(checkpoints: Checkpoints, step: int) -> dict[str, dict[str, np.ndarray]]:
    if step not in checkpoints.steps():
        raise ConfigError(f"step is {brief(step)}, must be one of {', '.join(map(str, checkpoints.steps()))}")
    try:
        return checkpoints.read(step).tree
    except LamvError:
        raise
    except Exception as error:  # whatever Orbax, tensorstore or JSON raise over damaged files
        raise CheckpointError(f"the checkpoint of step {step} cannot be read ({reason(error)})") from error


class Network:
    """The networks of a row, one for each seed. arrays: of a checkpoint, {"params.head.kernel": (S, ...), ...}."""

    def __init__(self, config, splits, arrays):
        self.config, self.splits = config, splits
        self.seeds = [config.seed + replica for replica in range(config.seeds)]
        self.view = view = data_view(splits, [config] * len(self.seeds), self.seeds)
        self.module = models.build(
            config.model.name,
            num_classes=view.num_classes,
            widths=config.model.widths or None,
            dtype=config.model.dtype,
            num_words=view.num_words,
        )
        self.layers: tuple[str, ...] = (*hidden_layers(self.module, view.shape), *ENDS)
        self.tables = {"train": view.train._replace(environments=()), **view.tests}
        if view.validation is not None and "valid" not in self.tables:
            self.tables["left_out"] = view.validation
        self._batches = Batches(config, view)
        shapes = jax.eval_shape(partial(self.module.init, train=False), jax.random.key(0), jnp.zeros((1, *view.shape)))
        stacked = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((len(self.seeds), *leaf.shape), leaf.dtype), dict(shapes)
        )
        trained = unflat(stacked, {name: arrays[name] for name in flat(stacked) if name in arrays})
        self.variables = {
            seed: jax.tree.map(lambda leaf, place=place: leaf[place], trained) for place, seed in enumerate(self.seeds)
        }

    def forward(self, x, where: str, seed: int | None, attributes=None) -> np.ndarray:
        """(N, ...) float32 of one of `layers`, or "inputs", for a split or for inputs. Raises ConfigError.

        attributes: (N,) int, what the cue of each of these inputs says; None: no cue.
        """
        if where not in (*self.layers, "inputs"):
            raise ConfigError(
                f"layer is {brief(where)}, must be one of {', '.join(self.layers)}{nearest(where, self.layers)}"
            )
        place = self._place(seed)
        if isinstance(x, str) and x in self.tables:
            if attributes is not None:
                raise ConfigError(f"attributes are given with the split {x!r}, which has its own; leave them out")
            stored = self._stored(x, place)
        else:
            stored = self._given(x, attributes)
        knobs = traced_knobs(self.config, self.seeds[place], 1)
        if self.view.standardise:
            knobs = knobs._replace(standardise=tuple(values[place] for values in self.view.standardise))
        made = [
            np.asarray(self._compiled(self.variables[self.seeds[place]], knobs, part)[where])[:size]
            for part, size in _parts(stored, self.config.eval_batch_size)
        ]
        return np.concatenate(made)

    def examples(self, split: str, seed: int | None) -> Split:
        """The examples of a split, as stored. Raises ConfigError."""
        place = self._place(seed)
        stored = self._stored(split, place)
        ids = joined(self.splits, "ids")[stored.ids]
        groups = np.where(stored.groups < self.view.num_groups, stored.groups, NONE) if self.view.num_groups else None
        attributes = stored.attributes if self.view.num_attributes else None
        return Split(stored.inputs, stored.labels, ids, groups, attributes)

    def _place(self, seed: int | None) -> int:
        if seed is None:
            return 0
        if seed not in self.seeds:
            raise ConfigError(f"seed is {brief(seed)}, must be one of {', '.join(map(str, self.seeds))}")
        return self.seeds.index(seed)

    def _stored(self, split: str, place: int) -> Any:
        """A split of a seed, as Stored, on the host."""
        if split not in self.tables:
            raise ConfigError(
                f"split is {brief(split)}, must be one of {', '.join(self.tables)}{nearest(split, self.tables)}"
            )
        table = jax.tree.map(lambda values: np.asarray(values[place]), self.tables[split])
        return self._batches.gather(self._examples, table, np.arange(len(table.rows)))

    def _given(self, x, attributes) -> Any:
        """Inputs of the user's, as Stored, on the host."""
        values: Any = given.as_stored(x, self.splits, self.config, tuple(self.tables))
        ids: Any = np.arange(len(values), dtype=np.int32)
        absent: Any = np.full_like(ids, shortcuts.ABSENT)
        nothing: Any = ()
        classes = self.view.num_classes
        cue: Any = absent if attributes is None else given.as_attributes(attributes, len(ids), self.config, classes)
        return Stored(ids, values, nothing, cue, np.zeros_like(ids), nothing, nothing)

    @cached_property
    def _examples(self) -> Examples:
        return examples_of(self.splits)

    @cached_property
    def _compiled(self):
        outputs = LOSSES[self.config.loss.name].outputs

        @jax.jit
        def forward(variables, knobs, stored: Stored):
            inputs = self._batches.inputs(stored, knobs)
            seen: dict[str, jax.Array] = {"inputs": inputs}  # all at once: one program, whatever is asked for
            with watching(seen):
                logits, features = self.module.apply(variables, inputs, train=False)
            return {**seen, "features": features, "logits": logits, "outputs": outputs(logits)}

        return forward


def _parts(stored: Stored, most: int) -> Iterator[tuple[Stored, int]]:
    """The examples in parts of one size, the last filled up, with the number of those that count.

    The size is a power of two for few examples, so that any number of them is one of few programs.
    """
    number = len(stored.inputs)
    size = min(most, 1 << (number - 1).bit_length())
    for first in range(0, number, size):
        count = min(size, number - first)
        taken = np.minimum(np.arange(first, first + size), number - 1)
        yield jax.tree.map(lambda values, taken=taken: values[taken], stored), count
