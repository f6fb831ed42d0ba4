"""What a trained run rests on: accuracy with each part of the inputs exchanged, and on examples that are hard.

For each row and seed, on its test examples, against the same partners (lamv.core.exchange):

    accuracy   with the part of another test example, drawn at random
    follows    share of examples, of those whose partner has another label, that are then called what the partner is

and the accuracy on two kinds of pseudo-groups, which stand in for groups that nobody has written down:

    hard       test examples that most rows get wrong after a quarter of training (errors of a short training; Liu et al.
               2021, "Just Train Twice")
    clusters   for each class, two clusters of ERM's features (Sohoni et al. 2020, "No subclass left behind"); the worst
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.cluster.vq import kmeans2

from lamv import config as configs
from lamv.audit.reading import Reading, columns_of
from lamv.core import exchange
from lamv.data.split_index import SplitIndex
from lamv.evaluate.passes import Passes
from lamv.train.checkpoint import Checkpoints
from lamv.train.session import Session
from lamv.train.tracking import recorded
from lamv.train.variants import VariantRun, evenly

#: Columns of a table that are exchanged one by one: those that vary most between the classes.
COLUMNS = 30
#: Edges of the bands of frequencies, periods a pixel.
BANDS = (0.0, 0.06, 0.125, 0.25, 0.75)
#: Directions of a span; more would be exchanged in vain.
DIRECTIONS = 40
#: While directions are found: numbers held in memory, and products for a matrix of examples by examples.
NUMBERS, PRODUCTS = 4e7, 1e10
#: Test examples below which a group counts for nothing: of fewer, the worst is low by chance.
FEWEST = 10


class InputPart(NamedTuple):
    """A part of the inputs. kind: mask, span or band. of_replica: (number of the replica) -> its array.

    columns: of a table, those that it consists of, or to which it gives most weight. within_share: of directions and
    bands, the variance within classes over the total, on held-out examples. alone: how often the part by itself predicts
    the label (lamv.core.exchange.alone), None where there are too few examples.
    """

    key: str
    kind: str
    words: str
    of_replica: Callable[[int], np.ndarray]
    columns: tuple[str, ...] = ()
    within_share: float | None = None
    alone: float | None = None

    def described(self) -> dict[str, Any]:
        """Without the arrays."""
        described = {**self._asdict(), "columns": list(self.columns)}
        del described["of_replica"]
        return described


def measure(workdir: Path, reading: Reading, examples: int) -> dict[str, Any]:
    """{"parts": [...], "rows": {name: {"parts": {key: {"accuracy", "follows"}}, "groups", "hard", "clusters"}}, "sizes"}.

    groups: accuracy of the worst of the data's own groups, [] where it has none.

    examples: of the test set, at most, that are looked at. Lists are of seeds, None where there were no such examples.
    """
    run = recorded(workdir)
    variants = configs.rows_of(run, {})
    checkpoints = Checkpoints.reading(workdir / "checkpoints", configs.fingerprint(run), [row.name for row in variants])
    session = Session(variants)
    rows = [VariantRun(variant, session) for variant in variants]
    steps = checkpoints.steps()
    early = checkpoints.read(steps[0]).tree if len(steps) > 1 else None
    trained = checkpoints.read(steps[-1]).tree
    passes = {row.name: Passes(row) for row in rows}
    tests = {row.name: test_table(row, examples) for row in rows}
    wrong_early = []
    for number, row in enumerate(rows):
        if early is not None:
            row.load(early[str(number)])
            called = zip(*predictions(passes[row.name], tests[row.name]), strict=True)
            wrong_early.append([own != labels for own, labels in called])
        row.load(trained[str(number)])
    baseline = rows[0]
    parts = parts_of(passes[baseline.name], reading)
    clusters = clusters_of(passes[baseline.name], tests[baseline.name])
    hard = [np.mean(seed, axis=0) > 0.5 for seed in zip(*wrong_early, strict=True)] if wrong_early else []
    measured = {row.name: _of_row(passes[row.name], tests[row.name], parts, hard, clusters) for row in rows}
    return {
        "parts": [part.described() for part in parts],
        "rows": measured,
        "sizes": {"test": int(tests[baseline.name].rows.shape[1]), "hard": [int(one.sum()) for one in hard]},
    }


def test_table(row: VariantRun, examples: int) -> SplitIndex:
    """The test examples that are looked at, of all replicas."""
    return evenly(row.view.tests["test"]._replace(environments=()), examples)


def predictions(passes: Passes, table: SplitIndex) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(predicted, labels) of each seed, (M,) each."""
    row, predicted, labels = passes.row, [], []
    for replicas in row.replicas:
        own = replicas.of(table)
        logits = passes.activations(replicas, own, wheres=["logits"])["logits"]
        predicted += list(logits.argmax(axis=-1))
        labels += [row.labels_of(own, r) for r in range(len(replicas.seeds))]
    return predicted, labels


def parts_of(passes: Passes, reading: Reading) -> list[InputPart]:
    """The parts that are exchanged, for inputs as the network of a row sees them."""
    row = passes.row
    raw, shape = row.view.raw_shape, row.view.shape
    parts = []
    if len(raw) == 3:
        for name, block in exchange.blocks(raw).items():
            parts.append(
                InputPart(f"block {name}", "mask", f"the block of pixels in {name} of 4", _same(block.reshape(shape)))
            )
        colour = exchange.mean_colour(raw)
        parts.append(
            InputPart("colour", "span", "the mean colour" if raw[2] > 1 else "the mean brightness", _same(colour))
        )
        for low, high in zip(BANDS[:-1], BANDS[1:], strict=True):
            finest = f"{1 / high:.3g}" if high < 0.5 else "2"
            words = f"patterns of {finest} to {1 / low:.3g} pixels" if low else f"shapes coarser than {finest} pixels"
            parts.append(InputPart(f"band {low:g}-{high:g}", "band", words, _same(np.array([low, high], np.float32))))
    inputs = list(_inputs(passes))
    if len(raw) == 1:
        parts += _columns(reading, inputs, shape)
    parts += _directions(row, reading, inputs)
    return [_with_alone(part, *inputs[0], row) for part in parts]


def _with_alone(part: InputPart, inputs: np.ndarray, labels: np.ndarray, row: VariantRun) -> InputPart:
    """The part with how well it predicts the label by itself; of bands, which differ in any images, the share too."""
    array = part.of_replica(0)
    if part.kind == "mask":
        values = inputs[:, array.reshape(-1) > 0]
    elif part.kind == "span":
        values = inputs @ array
    else:
        zeros = np.zeros_like(inputs)
        values = np.asarray(exchange.band(zeros, inputs, array, shape=row.view.raw_shape))
    try:
        accuracy, share = exchange.alone(values, labels, row.view.num_classes)
    except ValueError:  # too few examples
        return part
    return part._replace(alone=accuracy, within_share=share if part.kind == "band" else part.within_share)


def _columns(
    reading: Reading, inputs: Sequence[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...]
) -> Iterator[InputPart]:
    names = names_of(reading, shape[0])
    values, labels = inputs[0]
    spread = np.zeros(shape[0])
    for label in np.unique(labels):
        spread += (labels == label).mean() * (values[labels == label].mean(axis=0) - values.mean(axis=0)) ** 2
    share = spread / np.maximum(values.var(axis=0), 1e-12)
    columns = columns_of(names)
    best = sorted(columns, key=lambda name: -share[columns[name]].max())[:COLUMNS]
    for name in best:
        block = np.zeros(shape, np.float32)
        block[columns[name]] = 1
        words = f"the column {name}" if reading.splits.input_names else name
        yield InputPart(f"column {name}", "mask", words, _same(block), (name,))


def _directions(row: VariantRun, reading: Reading, inputs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[InputPart]:
    """The direction along which classes differ most for its variance within them, and all such directions."""
    try:
        found = [exchange.discriminants(values, labels, row.view.num_classes) for values, labels in inputs]
    except ValueError:  # too few examples
        return []
    names = names_of(reading, inputs[0][0].shape[1]) if len(row.view.raw_shape) == 1 else ()
    parts = []
    most = min(DIRECTIONS, max(one.span.shape[1] for one in found))
    for key, number in (("leading direction", 1), ("low-variance directions", most)):
        if key != "leading direction" and number == 1:
            continue
        words = "the direction that varies least within classes" if number == 1 else (
            f"all {number} directions that vary little within classes"
        )  # fmt: skip
        spans = [np.pad(one.span[:, :number], ((0, 0), (0, max(0, number - one.span.shape[1])))) for one in found]
        share = float(np.mean([one.within_share[:number].mean() for one in found]))
        columns = _heaviest(found[0].axes[:, :number], inputs[0][0].std(axis=0), names) if names else ()
        parts.append(InputPart(key, "span", words, lambda r, spans=spans: spans[r], columns, share))
    return parts


def names_of(reading: Reading, number: int) -> tuple[str, ...]:
    """Of so many inputs: those of a table, or their numbers."""
    return reading.splits.input_names or tuple(f"input {place}" for place in range(number))


def _heaviest(axes: np.ndarray, deviations: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """The inputs to which directions (D, r) give most weight: those that together have half of it, 12 at most."""
    weight = ((axes / np.linalg.norm(axes, axis=0)) ** 2).sum(axis=1) * deviations**2
    order = weight.argsort()[::-1]
    half = int(np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)) + 1
    return tuple(names[place] for place in order[: min(half, 12)])


def _inputs(passes: Passes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(inputs (M, D), labels (M,)) of training examples as the network sees them, of each seed."""
    row = passes.row
    size = int(np.prod(row.view.shape))
    for replicas in row.replicas:
        most = int(min(exchange.MOST, NUMBERS / size / len(replicas.seeds), (PRODUCTS / size) ** 0.5))
        table = evenly(replicas.of(row.view.train._replace(environments=())), most)

        def compute(replica, shared, b):
            inputs = passes.read(replica, shared, b).inputs
            return {"inputs": inputs.reshape(len(inputs), -1)}

        replica, shared, batches = passes.arguments(replicas, table)
        length = replica.table.rows.shape[1]
        values = passes.filled("inputs", compute, (replica, shared), {"inputs": size}, length, batches)["inputs"]
        for r, own in enumerate(values[:, : table.rows.shape[1]]):
            yield own, row.labels_of(table, r)


def _same(part: np.ndarray) -> Callable[[int], np.ndarray]:
    return lambda replica: part


def clusters_of(passes: Passes, table: SplitIndex) -> list[np.ndarray]:
    """(M,) of each seed: 2 y + its cluster among two of the features of its class."""
    row, of_seeds = passes.row, []
    for replicas in row.replicas:
        own = replicas.of(table)
        features = passes.activations(replicas, own, wheres=["features"])["features"]
        for r, values in enumerate(features):
            labels = row.labels_of(own, r)
            of_seeds.append(_clustered(values.astype(np.float64), labels))
    return of_seeds


def _clustered(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    groups = 2 * labels
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) >= 2 * FEWEST:
            _, second = kmeans2(features[own], 2, minit="++", seed=0, missing="warn")
            groups[own] += second
    return groups


def _of_row(
    passes: Passes,
    table: SplitIndex,
    parts: Sequence[InputPart],
    hard: Sequence[np.ndarray],
    clusters: Sequence[np.ndarray],
) -> dict[str, Any]:
    row = passes.row
    predicted, labels = predictions(passes, table)
    right = [p == y for p, y in zip(predicted, labels, strict=True)]
    partners = [_partners(len(y), row.config.seed + r) for r, y in enumerate(labels)]
    exchanged: dict[str, dict[str, list[float]]] = {}
    for part in parts:
        called = _exchanged(passes, table, partners, part)
        accuracy, follows = [], []
        for own, y, other in zip(called, labels, partners, strict=True):
            differs = y[other] != y
            accuracy.append(float((own == y).mean()))
            follows.append(float((own == y[other])[differs].mean()) if differs.any() else 0.0)
        exchanged[part.key] = {"accuracy": accuracy, "follows": follows}
    return {
        "accuracy": [float(one.mean()) for one in right],
        "parts": exchanged,
        "groups": _of_groups(row, table, right),
        "hard": [_mean(one[where]) for one, where in zip(right, hard, strict=True)] if hard else [],
        "clusters": [_worst(one, groups) for one, groups in zip(right, clusters, strict=True)],
    }


def _of_groups(row: VariantRun, table: SplitIndex, right: Sequence[np.ndarray]) -> list[float | None]:
    """Accuracy of the worst group of each seed."""
    if not row.view.num_groups:
        return []
    in_one = [groups < row.view.num_groups for groups in np.asarray(table.groups)]
    each = zip(right, np.asarray(table.groups), in_one, strict=True)
    return [_worst(own[where], groups[where]) for own, groups, where in each]


def _partners(number: int, seed: int) -> np.ndarray:
    """(M,) a permutation: whose part each example gets; the same for all rows of a seed."""
    return np.argsort(np.random.Philox(key=(seed, 7)).random_raw(number), kind="stable")


def _exchanged(passes: Passes, table: SplitIndex, partners: Sequence[np.ndarray], part: InputPart) -> list[np.ndarray]:
    """(M,) of each seed: what is predicted of the test examples with the part of their partners."""
    row, called = passes.row, []
    raw = row.view.raw_shape
    swap = partial(exchange.band, shape=raw) if part.kind == "band" else getattr(exchange, part.kind)

    def compute(replica, shared, b):
        others, array = replica.value
        inputs = passes.read(replica, shared, b).inputs
        given = passes.read(replica._replace(table=others), shared, b).inputs
        return {"logits": passes.logits(replica.state, swap(inputs, given, array))}

    for replicas in row.replicas:
        own, mine = replicas.of(table), np.stack([partners[number] for number in replicas.numbers])
        others = jax.tree.map(lambda values, mine=mine: np.take_along_axis(values, mine, axis=1), own)
        array = np.stack([part.of_replica(number) for number in replicas.numbers])
        others = passes.arguments(replicas, others)[0].table
        value = (others, row.layout.place(array, replicas=True))
        replica, shared, batches = passes.arguments(replicas, own, value)
        width = {"logits": row.view.num_classes}
        logits = passes.filled(f"exchange {part.kind} {array.shape[1:]}", compute, (replica, shared), width,
                               replica.table.rows.shape[1], batches)["logits"]  # fmt: skip
        called += list(logits[:, : own.rows.shape[1]].argmax(axis=-1))
    return called


def _mean(right: np.ndarray) -> float | None:
    return float(right.mean()) if len(right) >= FEWEST else None


def _worst(right: np.ndarray, groups: np.ndarray) -> float | None:
    means = [right[groups == group].mean() for group in np.unique(groups) if (groups == group).sum() >= FEWEST]
    return float(min(means)) if means else None
