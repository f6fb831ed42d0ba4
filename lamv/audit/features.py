"""Frozen features: the data as a trained network sees it, so that heads are trained in place of whole networks.

The network is a row of a workdir of experiments.train (--weights), or, where there is no time to train networks on the data
at length, one that is trained here once, by ERM. Its features become arrays, features.npz, and the audit is one of linear
networks on these: all methods, seeds and doses in a minute, at the price that the features themselves do not change.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from lamv.audit import plan
from lamv.audit.plan import Plan
from lamv.audit.question import ERM, Question, rows
from lamv.audit.reading import Reading, splits_of
from lamv.data.split_index import SplitIndex
from lamv.data.splits import NONE, joined
from lamv.errors import ConfigError, DataError, nearest, shown
from lamv.evaluate.passes import Passes
from lamv.rows import expand
from lamv.train import loop, teacher
from lamv.train.checkpoint import flat, unflat
from lamv.train.parallel import fetch
from lamv.train.session import Session
from lamv.train.variants import VariantRun

logger = logging.getLogger("lamv.audit")


def of_weights(asked: Question, read: Reading, folder: Path) -> Reading:
    """The features of a row of another run. Raises ConfigError, DataError for weights that are not there or do not fit."""
    place, _, row = asked.weights.rpartition(":") if not Path(asked.weights).exists() else (asked.weights, "", "")
    run = teacher.TeacherRun(place or asked.weights, "--weights")
    name = row or next(iter(run.rows))
    if name not in run.rows:
        known = ", ".join(map(repr, run.rows))
        raise ConfigError(f"--weights names row {name!r}, must be one of {known}{nearest(name, run.rows)}")
    return extracted(asked, read, run.teacher(name), folder)


def of_small_network(asked: Question, read: Reading, planned: Plan, folder: Path) -> Reading:
    """The features of a network that is trained here by ERM, one seed, for half of the time."""
    steps = max(plan.LEAST, int(30 * asked.minutes / (planned.seconds / plan.PROBE_SEEDS)))
    config = plan.base(asked, read, planned._replace(seeds=1, steps=min(steps, plan.MOST)))
    config.title, config.rows = "Audit: a network for its features", rows([ERM])
    loop.train(config, folder / "network")
    return extracted(asked, read, teacher.TeacherRun(str(folder / "network"), "--weights").teacher("erm"), folder)


def extracted(asked: Question, read: Reading, network: teacher.Teacher, folder: Path) -> Reading:
    """The data with features in place of its inputs, as arrays; the block of what was read stays as it is."""
    path = folder / "features.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        values = features(asked, read, network)
        arrays: dict[str, Any] = {"class_names": np.array(read.splits.class_names)}
        start = 0
        for part, of in read.splits.parts.items():
            prefix = "" if part == "all" else f"{part}_"
            arrays[f"{prefix}inputs"] = values[start : start + len(of.labels)]
            arrays[f"{prefix}labels"] = of.labels
            for kind in ("attributes", "groups"):
                given = getattr(of, kind)
                if given is not None and (kind == "attributes" or of.attributes is None) and (given != NONE).all():
                    arrays[f"{prefix}{kind}"] = given
            start += len(of.labels)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez(unfinished, **arrays)
        unfinished.replace(path)
    settings = {"name": "npz", "path": str(path)}
    words = f"frozen features of {network.config.model.name}, row {network.row!r} of {shown(network.path)}"
    return read._replace(settings=settings, splits=splits_of(settings), block={**read.block, "network": words})


def features(asked: Question, read: Reading, network: teacher.Teacher) -> np.ndarray:
    """(N, D) float32, standardised: of all examples, by the first seed of a row. Raises DataError where it does not fit."""
    config = plan.base(asked, read, Plan(1, plan.MOST, 0, 0, False, 1, network.config.model.name))
    config.model = network.config.model
    config.data.flatten, config.data.normalise = network.config.data.flatten, network.config.data.normalise
    config.rows = rows([ERM])
    [variant] = expand(config)
    row = VariantRun(variant, Session([variant]))
    row.init()
    [replicas] = row.replicas
    state, last = flat(fetch(replicas.state)), f"params.{row.program.model.last}."
    for name in state:
        if not name.startswith(("params.", "batch_stats.")) or name.startswith(last):
            continue
        given = network.arrays.get(name)
        if given is None or given.shape[1:] != state[name].shape[1:]:
            there = "nothing" if given is None else given.shape[1:]
            raise DataError(
                f"--weights {shown(network.path)}: row {network.row!r} has {there} for {name}, and this data needs"
                f" {state[name].shape[1:]}; it was trained on inputs of another shape: for photographs set --image_size to"
                " that of its training"
            )
        state[name] = given[:1].astype(state[name].dtype)
    replicas.state = row.layout.place(unflat(replicas.state, state), replicas=True)
    number = len(joined(read.splits, "labels"))
    nobody = np.zeros((1, number), np.int32)
    everything = SplitIndex(np.arange(number, dtype=np.int32)[None], nobody, nobody)
    [values] = Passes(row).activations(replicas, everything, wheres=["features"])["features"]
    deviation = values.std(axis=0)
    kept = deviation > 1e-6 * max(deviation.max(), 1e-30)
    logger.info("%d features of %s, row %s", kept.sum(), shown(network.path), network.row)
    return ((values - values.mean(axis=0)) / np.where(kept, deviation, 1))[:, kept].astype(np.float32)
