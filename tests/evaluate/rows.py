"""Small rows for the tests of this folder, trained for a moment or not at all, and what they put out by hand."""

import numpy as np

from lamv import config as configs
from lamv.evaluate import Evaluation, Options
from lamv.rows import expand
from lamv.train import parallel
from lamv.train.session import Session
from lamv.train.variants import VariantRun

METHODS = {
    "ERM": {"method.name": "erm"},
    "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1},
    "Mixup": {"method.name": "mixup"},
}
#: Of the rows that `trained` trains.
STEPS = 30


def recipe(rows=METHODS, seeds=2, **knobs):
    config = configs.defaults()
    config.rows, config.seeds, config.steps, config.batch_size = rows, seeds, 60, 32
    config.log_every, config.checkpoint_every = 60, 30
    config.data.train_size = 1000
    config.data.flatten, config.data.normalise = True, False
    config.model.widths = (24, 16)
    config.optim.name, config.optim.lr = "adam", 0.01
    config.parallel.devices = 1
    for key, value in knobs.items():
        *parents, leaf = key.split(".")
        node = config
        for parent in parents:
            node = node[parent]
        node[leaf] = value
    return config


def small(**changes):
    """A single row of little data."""
    sizes = {"steps": STEPS, "data.train_size": 200, "data.eval_train_size": 100}
    [row] = expand(recipe({"ERM": {}}, **sizes), changes)
    return row


def trained(**changes):
    """`small`, trained."""
    row = small(**changes)
    run = VariantRun(row, Session([row]))
    run.init()
    run.advance(0, STEPS)
    return run


def evaluated(config, **options):
    """(evaluation, results) of the first row at its initialisation, which takes no training."""
    return next(evaluated_rows(config, **options))


def evaluated_rows(config, **options):
    """`evaluated` of every row in turn. They share what they can of their programs."""
    rows = expand(config)
    session = Session(rows)
    for row in rows:
        evaluation = Evaluation(row, session, Options(**options))
        evaluation.row.init()
        yield evaluation, evaluation.at(0)


def by_hand(run, table):
    """Every layer's output in float64 numpy, {where: (R, M, D)}, and the labels (R, M)."""
    [replicas] = run.replicas
    params = parallel.fetch(replicas.state.params)
    inputs = np.asarray(run.examples.inputs, np.float64)[table.rows].reshape(*table.rows.shape, -1) / 16
    labels = np.asarray(run.examples.labels)[table.rows]

    def dense(x, name):
        weights = params[name]
        return x @ weights["kernel"].astype(np.float64) + weights["bias"].astype(np.float64)[:, None]

    first = np.maximum(dense(inputs, "first"), 0)
    features = np.maximum(dense(first, "hidden1"), 0)
    logits = dense(features, "head")
    probs = np.exp(logits - logits.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)
    return {"layers/first": first, "features": features, "logits": logits, "outputs": probs}, labels
