"""The memory that a run will need, estimated from shapes before anything is allocated.

It counts the data, the tables of splits, the state of every seed, and the largest of the temporary arrays, but nothing that
the compiler may add: it is to refuse what cannot work (a hundred thousand seeds, a layer of a billion units, K x K moments
of 60,000 classes).
"""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import jax
import numpy as np

from lamv import memory
from lamv.errors import ConfigError, DataError, listed
from lamv.models import build
from lamv.models.layers import watching

#: Arrays of the size of the parameters: the parameters themselves, and what each optimiser keeps.
SLOTS = {"sgd": 2, "adam": 3, "adamw": 3}
FLOAT = 4


class Part(NamedTuple):
    """A part of the estimate. way_out: how to make it smaller. of_data: whether the data is too large, not the config."""

    bytes: int
    what: str
    way_out: str
    of_data: bool = False


def check(rows: Sequence, session, evaluates: bool = False) -> None:
    """Raise DataError (the data is too large) or ConfigError (what is asked for is) where a run cannot fit.

    rows: of lamv.config.Variant. evaluates: whether logits are kept for every example, as experiments.evaluate does.
    """
    there = memory.available()
    on_device = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    if on_device and "bytes_limit" in on_device:
        left = on_device["bytes_limit"] - on_device.get("bytes_in_use", 0)
        there = memory.Available(left, "free on the device")
    parts = sorted(_parts(rows, session, evaluates), reverse=True)
    needed = sum(part.bytes for part in parts)
    if needed <= there.bytes:
        return
    most = parts[0]
    error = DataError if most.of_data else ConfigError
    raise error(
        f"{session.splits.name}: about {memory.shown(needed)} of memory are needed, {memory.shown(most.bytes)} of it for"
        f" {most.what}, and {memory.shown(there.bytes)} are {there.limit}; {most.way_out}"
    )


def _parts(rows: Sequence, session, evaluates: bool) -> Iterable[Part]:
    stored = {id(splits := session.splits_for(row.config)): splits for row in rows}
    inputs = sum(part.inputs.nbytes for splits in stored.values() for part in splits.parts.values())
    yield Part(inputs, "the examples", "use fewer, or smaller ones (data.image_size, data.classes)", of_data=True)
    sizes = [_of_row(row.config, session.splits_for(row.config), evaluates) for row in rows]
    seeds = rows[0].config.seeds
    yield Part(
        sum(size.tables for size in sizes), f"the tables of {len(rows)} rows x {seeds} seeds",
        "train fewer seeds or rows in one run",
    )  # fmt: skip
    name, widths = rows[0].config.model.name, rows[0].config.model.widths
    model = f"{name} of widths ({listed([str(w) for w in widths], most=4)})" if widths else name
    yield Part(
        sum(size.state for size in sizes), f"the states of {len(rows)} rows x {seeds} seeds of {model}",
        "train fewer seeds, or a smaller model (model.widths)",
    )  # fmt: skip
    step = max(size.step for size in sizes)
    yield Part(step, f"the activations of a batch, {model}", "use a smaller batch_size, eval_batch_size or model")
    classes = max(splits.num_classes for splits in stored.values())
    yield Part(
        max(size.moments for size in sizes), f"class moments, {classes} x {classes} numbers for {classes} classes",
        "keep fewer classes (data.classes), or merge them (data.superclasses)", of_data=True,
    )  # fmt: skip


class _Size(NamedTuple):
    tables: int
    state: int
    step: int
    moments: int


def _of_row(config, splits, evaluates: bool) -> _Size:
    """Bytes of one row with all its seeds."""
    examples = sum(len(part.labels) for part in splits.parts.values())
    classes, seeds = splits.num_classes, config.seeds
    # Row number, attribute and group of each example, on the host and on the device; with a cue, the test set five times.
    tables = 2 * 3 * FLOAT * examples * (3 if config.data.shortcut.kind != "none" else 1)
    shape = next(iter(splits.parts.values())).inputs.shape[1:]
    seen = (math.prod(shape),) if config.data.flatten else tuple(shape)
    parameters, units, features = _network(
        config.model.name, config.model.widths, config.model.dtype, classes, seen, len(splits.words)
    )
    # A gradient beside what is kept, and a copy on the host for a checkpoint.
    state = parameters * (SLOTS.get(config.optim.name, 3) + 2)
    state += examples * classes if "instance_smoothing" in (config.method.name, config.method.then) else 0
    # A batch beyond the examples is refused where the row is made.
    batch = min(max(config.batch_size, config.eval_batch_size), examples)
    step = batch * (math.prod(shape) + 2 * units + 3 * classes)
    # Mean and scatter, of a batch, of what was before and of both together.
    moments = 3 * 2 * classes * (features + classes)
    if evaluates:
        moments += examples * classes + 2 * features * features
    return _Size(tables * seeds, FLOAT * state * seeds, FLOAT * step * seeds, FLOAT * moments * seeds)


@cache  # once for all rows with the same network: a trace of a deep one takes a second
def _network(
    name: str, widths: tuple[int, ...], dtype: str, classes: int, shape: tuple[int, ...], num_words: int = 0
) -> tuple[int, int, int]:
    """(parameters, units of all hidden layers, features), from shapes alone; zeros for a model that does not fit."""
    model = build(name, num_classes=classes, widths=widths or None, dtype=dtype, num_words=num_words)
    blank = jax.ShapeDtypeStruct((1, *shape), np.float32)
    hidden: dict[str, jax.Array] = {}
    try:
        with watching(hidden):
            (_, features), variables = jax.eval_shape(
                lambda x: model.init_with_output(jax.random.key(0), x, train=False), blank
            )
    except (TypeError, ValueError, ConfigError):  # reported where the row is made
        return 0, 0, 0
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables))
    return parameters, sum(of.shape[-1] for of in hidden.values()) + features.shape[-1], features.shape[-1]
