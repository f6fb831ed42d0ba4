"""How much the logits tell of which training example they are of: lamv.core.information over augmented views."""

import math

import jax
import numpy as np

from lamv.core import batch
from lamv.core.information import mutual_information
from lamv.data.resident import Table
from lamv.evaluate.passes import Passes, Replica, Shared
from lamv.evaluate.snapshot import Result, Snapshot
from lamv.train.batches import Draw
from lamv.train.parallel import DATA_AXIS
from lamv.train.replica import step_key
from lamv.train.variants import Replicas

#: Examples of a class, and views of each.
EXAMPLES, VIEWS = 200, 20
#: More views of an example than anyone draws.
MOST_VIEWS = 1000
#: Standard deviation of the noise that stands for augmentation where a run has none, in the units the network sees.
JITTER = 0.1
#: A stream of randomness apart from those of lamv.train.replica.
JITTER_STREAM = 100


def information(snapshot: Snapshot) -> list[Result]:
    """train/information (nats), by the difference of the logits of two classes, and train/information_limit, log N."""
    a, b = snapshot.options.classes[:2]
    table = snapshot.of_classes("train", (a, b), EXAMPLES) if "train" in snapshot.tables else None
    if table is None:
        return []
    results = []
    for logits in views(snapshot.passes, snapshot.replicas, table, VIEWS):
        try:
            nats = mutual_information(logits[:, :, a] - logits[:, :, b])
        except ValueError:
            snapshot.note("no estimate of information, as all views of an image look alike")
            results.append(Result())
            continue
        limit = math.log(table.rows.shape[1])
        results.append(Result({"train/information": nats, "train/information_limit": limit}))
    return results


def views(passes: Passes, replicas: Replicas, table: Table, number: int) -> np.ndarray:
    """Logits (R, M, number, K) of augmented views of each example: the run's crop, flip and cutout, or else noise."""
    augment = passes.row.config.data.augment
    augments = bool(augment.crop or augment.flip or augment.cutout)

    def compute(replica: Replica, shared: Shared, b):
        rows = batch.part(passes.batch_size, DATA_AXIS)
        t = MOST_VIEWS * b + replica.value  # a "step" of its own for each view of each batch
        inputs = passes.read(replica, shared, b, draw=Draw(t, rows) if augments else None).inputs
        if not augments:
            keys = rows.keys(step_key(replica.knobs, JITTER_STREAM, t))
            inputs += JITTER * jax.vmap(lambda key, x: jax.random.normal(key, x.shape))(keys, inputs)
        return {"logits": passes.logits(replica.state, inputs)}

    drawn = [passes.gathered("views", compute, replicas, table, value=view)["logits"] for view in range(number)]
    return np.stack(drawn, axis=2)
