"""What features are like: of a few classes in a plane, within each group; and the information in the logits."""

import math

import jax
import numpy as np

from lamv.core import batch
from lamv.core.information import mutual_information
from lamv.core.metrics import NAMED_GROUPS, group_key
from lamv.core.projection import project, template_plane
from lamv.core.variance import group_variances
from lamv.data.resident import SplitIndex
from lamv.evaluate.passes import Passes, Replica, Shared
from lamv.evaluate.snapshot import Result, Snapshot, rounded
from lamv.train.batches import Draw
from lamv.train.parallel import DATA_AXIS
from lamv.train.replica import step_key
from lamv.train.variants import Replicas, evenly

#: Examples of a class in a projection.
PROJECTED = 100
#: Examples of a class, and views of each, for the information.
EXAMPLES, VIEWS = 200, 20
#: More views of an example than anyone draws.
MOST_VIEWS = 1000
#: Examples of a split for the variance within groups, evenly spaced.
GROUPED = 4000
#: Standard deviation of the noise that stands for augmentation where a run has none, in the units the network sees.
JITTER = 0.1
#: A stream of randomness apart from those of lamv.train.replica.
JITTER_STREAM = 100


def projection(snapshot: Snapshot) -> list[Result]:
    """Curves of training and test examples of three classes, in the plane through their templates (Mueller et al. 2019)."""
    classes, kernels = snapshot.options.classes, snapshot.last_kernels
    if kernels is None or snapshot.view.num_classes < 3 or kernels.shape[1] < 2:
        snapshot.note("no projection, which takes three classes and two features or more")
        return []
    results = [Result() for _ in snapshot.replicas.numbers]
    for split in ("train", "test"):
        table = snapshot.of_classes(split, classes, PROJECTED) if split in snapshot.tables else None
        if table is None:
            continue
        features = snapshot.passes.activations(snapshot.replicas, table)["features"]
        for r, (result, labels) in enumerate(zip(results, snapshot.labels(table), strict=True)):
            templates = kernels[r].T[list(classes)]
            try:
                plane = template_plane(templates)
            except ValueError:
                snapshot.note("no projection, as its templates lie on a line")
                continue
            x, y = project(features[r], plane).T
            result.curves.append({
                "split": split, "kind": "projection", "classes": list(classes),
                "names": [snapshot.row.names.classes[c] for c in classes],
                "x": rounded(x), "y": rounded(y), "label": [classes.index(int(label)) for label in labels],
                "templates": [rounded(point) for point in project(templates, plane)],
            })  # fmt: skip
    return results


def groups(snapshot: Snapshot) -> list[Result]:
    """SPLIT/group_Y_A/within_variance and top_eigenvalue of features, on the test splits on which groups are shown.

    Of up to NAMED_GROUPS groups, as their accuracies.
    """
    view = snapshot.view
    splits = [split for split in ("test", "test_random") if split in snapshot.tables and split in view.grouped]
    if not splits or view.num_groups > NAMED_GROUPS:
        return []
    results = [Result() for _ in snapshot.replicas.numbers]
    for split in splits:
        table = evenly(snapshot.tables[split], GROUPED)
        features = snapshot.passes.activations(snapshot.replicas, table, wheres=("features",))["features"]
        for result, own, members in zip(results, features, np.asarray(table.groups), strict=True):
            some = (members >= 0) & (members < view.num_groups)
            for group, (within, largest) in group_variances(own[some], members[some]).items():
                key = f"{split}/{group_key(group, view.num_attributes)}"
                result.metrics |= {f"{key}/within_variance": within, f"{key}/top_eigenvalue": largest}
    return results


def information(snapshot: Snapshot) -> list[Result]:
    """train/information (nats) of lamv.core.information, and train/information_limit, log N.

    Of the difference of the logits of two classes, about which training example a view is of.
    """
    a, b = snapshot.options.classes[:2]
    table = snapshot.of_classes("train", (a, b), EXAMPLES) if "train" in snapshot.tables else None
    if table is None:
        return []
    results = []
    for logits in views(snapshot.passes, snapshot.replicas, table, VIEWS):
        result = Result()
        try:
            nats = mutual_information(logits[:, :, a] - logits[:, :, b])
            result.metrics |= {"train/information": nats, "train/information_limit": math.log(table.rows.shape[1])}
        except ValueError:
            snapshot.note("no estimate of information, as all views of an image look alike")
        results.append(result)
    return results


def views(passes: Passes, replicas: Replicas, table: SplitIndex, number: int) -> np.ndarray:
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
