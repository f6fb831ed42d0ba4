"""Activations on training inputs as the method makes them: augmented, smoothed, mixed.

Of a method with a continuous law of lam, one set of them for each of a few values, which stand for the law: targets then
repeat, and variance given the target can be measured.
"""

import numpy as np

from lamv.core import laws
from lamv.core.methods import knobs_of
from lamv.evaluate.passes import Passes, Replica, Shared
from lamv.train.variants import Replicas

#: Training examples for each value of lam, at most.
EXAMPLES = 4000
#: Points of the Gauss rule that stands for a continuous law of lam.
NODES = 8


def nodes(passes: Passes, step: int) -> list[tuple[float | None, float]]:
    """(lam, weight) for `augmented`, weights summing to 1; [(None, 1)] where the method has no law of lam."""
    config = passes.row.config.method
    knobs = set(knobs_of(passes.program.method(passes.row.stages.at(step))))
    if not {"law", "rows"} <= knobs or "target_law" in knobs:
        return [(None, 1.0)]
    law = laws.parse(config.law) if config.law else laws.beta(config.alpha)
    return [(float(lam), float(weight)) for lam, weight in zip(*law.nodes(NODES), strict=True)]


def augmented(
    passes: Passes, replicas: Replicas, step: int, most: int, lam: float | None = None
) -> dict[str, np.ndarray]:
    """Activations on batches augmented as at `step`, and their "targets", {where: (R, M, D)}.

    most: examples at most, in whole batches; of a method that does not combine examples, none twice. lam: in place of the
    method's law.
    """
    row, size = passes.row, passes.row.config.batch_size
    stage, per_epoch = row.stages.at(step), row.train_size // size
    first = -(-row.steps // per_epoch) * per_epoch  # the epoch after those of the run's steps
    batches = max(1, most // size)
    if "rows" not in knobs_of(passes.program.method(stage)):
        batches = min(batches, per_epoch)

    def compute(replica: Replica, shared: Shared, b):
        law = None if lam is None else laws.fixed(replica.value)
        made = passes.read_training(replica, shared, first + b, stage, law)
        return {**passes.forward(replica.state, made.inputs, made.hidden), "targets": made.targets}

    value = row.layout.place(np.full(len(replicas.seeds), 0.0 if lam is None else lam), replicas=True)
    replica = Replica(replicas.state, replicas.knobs, replicas.train, value)
    shared = Shared(row.examples, np.int32(row.train_size))
    widths = {**passes.widths, "targets": passes.num_classes}
    name = f"augmented {stage} {lam is None} {batches}"
    return passes.filled(name, compute, (replica, shared), widths, batches * size, batches, method=True)
