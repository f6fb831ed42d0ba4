"""What features are like: of a few classes in a plane, within each group; and the information in the logits."""

import math
from typing import Any

import jax
import numpy as np

from lamv.core import batch
from lamv.core.information import mutual_information
from lamv.core.metrics import NAMED_GROUPS, group_key
from lamv.core.projection import Plane, project, template_plane
from lamv.core.variance import group_variances
from lamv.data.resident import SplitIndex
from lamv.evaluate.passes import Passes, Replica, Shared
from lamv.evaluate.snapshot import Result, Snapshot, rounded
from lamv.train.batches import Draw
from lamv.train.parallel import DATA_AXIS
from lamv.train.replica import step_key
from lamv.train.variants import Replicas, evenly

#: Examples of a class in a projection, and of all mixed inputs.
PROJECTED, MIXED = 100, 400
#: Of a target: what is left beside the chosen classes by rounding.
SMALL = 1e-4
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
    classes, planes = snapshot.options.classes, _planes(snapshot)
    results = [Result() for _ in planes]
    for split in ("train", "test") if planes else ():
        table = snapshot.of_classes(split, classes, PROJECTED) if split in snapshot.tables else None
        if table is None:
            continue
        features = snapshot.passes.activations(snapshot.replicas, table)["features"]
        for result, plane, points, labels in zip(results, planes, features, snapshot.labels(table), strict=True):
            if plane is not None:
                numbers = [classes.index(int(label)) for label in labels]
                result.curves.append(_curve(snapshot, plane, points) | {"split": split, "label": numbers})
    return results


def mixed_projection(snapshot: Snapshot) -> list[Result]:
    """Curves of mixed training inputs of the three classes of `projection`, in the same plane (Fisher et al. 2024).

    shares: of the three classes in the target, smoothing left out. Each value of lam has as many examples, whatever its
    law. Empty for a method that does not combine examples.
    """
    stage, chosen = snapshot.row.stages.at(snapshot.step), list(snapshot.options.classes)
    planes = _planes(snapshot) if snapshot.passes.program.method(stage).combines else []
    results = [Result() for _ in planes]
    for r, (result, plane) in enumerate(zip(results, planes, strict=True)):
        if plane is None:
            continue
        features, targets = (
            np.concatenate([values[key][r] for _, _, values in snapshot.own_inputs]) for key in ("features", "targets")
        )
        shares = targets - targets.min(axis=1, keepdims=True)  # smoothing gives each class the same
        shares /= shares.sum(axis=1, keepdims=True)
        within = np.flatnonzero(shares[:, chosen].sum(axis=1) > 1 - SMALL)
        if len(within) > MIXED:
            within = within[np.linspace(0, len(within) - 1, MIXED).astype(np.int64)]
        curve = _curve(snapshot, plane, features[within]) | {"kind": "mixed_projection", "split": "augmented"}
        result.curves.append(curve | {"shares": [rounded(shares[within, c]) for c in chosen]})
    return results


def _planes(snapshot: Snapshot) -> list[tuple[Plane, np.ndarray] | None]:
    """The plane through the templates of the chosen classes, and these (3, D), of each replica; [] without templates."""
    kernels = snapshot.last_kernels
    if kernels is None or snapshot.view.num_classes < 3 or kernels.shape[1] < 2:
        snapshot.note("no projection, which takes three classes and two features or more")
        return []
    planes: list[tuple[Plane, np.ndarray] | None] = []
    for kernel in kernels:
        templates = kernel.T[list(snapshot.options.classes)]
        try:
            planes.append((template_plane(templates), templates))
        except ValueError:
            snapshot.note("no projection, as its templates lie on a line")
            planes.append(None)
    return planes


def _curve(snapshot: Snapshot, plane: tuple[Plane, np.ndarray], features: np.ndarray) -> dict[str, Any]:
    (flat, templates), classes = plane, snapshot.options.classes
    x, y = project(features, flat).T
    return {
        "kind": "projection", "classes": list(classes), "names": [snapshot.row.names.classes[c] for c in classes],
        "x": rounded(x), "y": rounded(y), "templates": [rounded(point) for point in project(templates, flat)],
    }  # fmt: skip


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
