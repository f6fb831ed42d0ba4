"""How near Mixup's points come to examples of other classes: whether the alternating line happens in real data.

A mixed point collides with an example if it lies there but neither of its two labels is the example's: then Mixup asks
for another answer at the example than ERM does. If all such mixed points keep away from the examples of a class, the
Mixup-optimal classifier is right on that class (section 2.4 of "Towards Understanding the Data Dependency of Mixup-style
Training", Chidambaram et al. 2022). So, with one mixed point x_j for each training example j,

    x_j = lam_j x_j1 + (1 - lam_j) x_j2,   j1 = j,   j2 uniform over the training examples,   lam_j ~ Beta(alpha, alpha)

and for an example x of label y, the distance is  d(x) = min { ||x - x_j|| : y not among the labels of j1 and j2 },
Euclidean after the paper's normalisation of the data set. The published "average" and "smallest" distances are the mean
and the minimum of d over the examples: as in the code of the paper; only so do the numbers agree (the mean over
all pairs would be far larger). Published are alpha = 1024 and one draw of 20 % of the training and of the test examples.

The yardstick are the rows named "unmixed": the same distance to the training examples themselves, lam = 1.

No matrix of all distances is ever held: a block of mixed points is made on the device, from examples stored as bytes,
and compared with all examples block by block, keeping the minimum. Distances come from ||a||^2 + ||b||^2 - 2 a b in
float32; both are centred at the mean example first, and a check compares with differences in float64.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv import data
from lamv.core.mixing import mix
from lamv.data.resident import cut
from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, anything, at_least, one_of, share
from lamv.theory.outcome import Outcome, check, curve, lines, row
from lamv.theory.replicas import seeds_of

IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")
some_splits = Allowed(lambda values: len(values) > 0 and set(values) <= {"train", "test"}, "train, test, or both")

KNOBS = (
    Knob("data_name", "digits", one_of(*IMAGES), "data set"),
    Knob("data_path", "", anything, "file or folder of the data set, where it needs one", free=True),
    Knob("data_verify", "warn", one_of("warn", "official"), "what to do about files without the official sha256"),
    Knob("share", 1.0, share, "of the training and of the test examples, drawn by the seed; published: 0.2"),
    Knob("alpha", 1024.0, above(0), "Mixup: lam ~ Beta(alpha, alpha)"),
    Knob("splits", ("train", "test"), some_splits, "whose examples the distances are from; mixed points are of train"),
    Knob("unmixed", True, anything, "measure the distance to the training examples themselves, too"),
    Knob("block", 2048, at_least(1), "examples, and mixed points, that are compared at a time; 2048: some 100 MB"),
)

PAPER = "Chidambaram et al. 2022, output file of the code"
#: (average, smallest) distance by data set and split.
PUBLISHED = {
    "mnist": {"train": (19.756, 11.433), "test": (19.776, 11.897)},
    "cifar10": {"train": (49.033, 17.716), "test": (49.041, 22.133)},
    "cifar100": {"train": (36.840, 12.936), "test": (37.134, 15.076)},
}
#: Deviations by which the paper's code divides, by channel. Those of CIFAR-10 are means over images, smaller than what
#: lamv.data divides by (which is over all pixels), and distances grow in proportion.
PUBLISHED_STD = {"cifar10": (0.2023, 0.1994, 0.2010), "cifar100": (0.2675, 0.2565, 0.2761)}
#: How many examples the check against float64 takes.
DIRECT = 8


class ImageSet(NamedTuple):
    """pixels (N, D) uint8, labels (N,) int32. On the device padded to whole blocks, with label -1."""

    pixels: jax.Array | np.ndarray
    labels: jax.Array | np.ndarray


class Pairs(NamedTuple):
    """Mixed points: rows of the two examples, (M,) int32 each, and the weight of the first, (M,) float32."""

    first: np.ndarray
    second: np.ndarray
    lam: np.ndarray


def run(config) -> Outcome:
    """One draw of examples and mixed points a seed, and the distances between them."""
    splits = data.load(config.data_name, config.data_path or None, config.data_verify)
    draws, errors = zip(*(one_draw(config, splits, seed) for seed in seeds_of(config)), strict=True)
    found = {name: [draw[name] for draw in draws] for name in draws[0]}
    setting = {"data_name": config.data_name, "share": config.share, "alpha": config.alpha}
    rows = [row(name, _summary(d), setting | {"examples": len(d[0])}) for name, d in found.items()]
    checks, remarks = _checks(found, errors, config), _remarks(found, config)
    return Outcome(rows, checks, [_figure(found, config)], remarks, splits.sources)


def _summary(distances: Sequence[np.ndarray]) -> dict[str, list]:
    return {"average": [np.mean(d) for d in distances], "smallest": [np.min(d) for d in distances]}


def one_draw(config, splits: data.Splits, seed: int) -> tuple[dict[str, np.ndarray], float]:
    """Distances of all examples by row name, and the largest error of a few of them."""
    rng = np.random.default_rng(seed)
    examples = {name: subset(part, config.share, rng) for name, part in parts(splits, seed).items()}
    train = examples["train"]
    view = View.of(train, splits.normalisation.scale, PUBLISHED_STD.get(config.data_name, splits.normalisation.std))
    kinds = {"": draw_pairs(rng, len(train.labels), config.alpha)}
    if config.unmixed:
        kinds[", unmixed"] = themselves(len(train.labels))
    resident = {name: to_device(part, config.block) for name, part in examples.items()}
    found = {}
    for name in config.splits:
        for kind, pairs in kinds.items():
            distances = nearest(resident["train"], resident[name], pairs, view, block=config.block)
            found[name + kind] = distances[: len(examples[name].labels)]
    if not all(np.all(np.isfinite(distances)) for distances in found.values()):
        raise ConfigError(
            f"config.share is {config.share}, too small: an example shares a label with every mixed point; take more"
        )
    first = config.splits[0]
    few = ImageSet(*(values[:DIRECT] for values in examples[first]))
    exact = nearest_directly(train, few, kinds[""], view, block=config.block)
    return found, float(np.max(np.abs(found[first][:DIRECT] - exact)))


def parts(splits: data.Splits, seed: int) -> dict[str, data.Split]:
    """The training and the test part; a data set without is cut by the seed, two thirds to train."""
    if "all" not in splits.parts:
        return splits.parts
    whole = splits.parts["all"]
    rows = cut(splits, seed, None)
    named = {"train": rows.train, "test": rows.test}
    return {name: data.Split(whole.inputs[at], whole.labels[at], whole.ids[at]) for name, at in named.items()}


def subset(part: data.Split, share: float, rng: np.random.Generator) -> ImageSet:
    """A share of a split, at least one example, drawn without replacement; images as rows of bytes."""
    number = len(part.labels)
    size = max(1, int(share * number))
    pixels = part.inputs.reshape(number, -1)
    if size == number:
        return ImageSet(pixels, part.labels)  # no copy: this may be hundreds of megabytes
    at = np.sort(rng.choice(number, size, replace=False))
    return ImageSet(pixels[at], part.labels[at])


def draw_pairs(rng: np.random.Generator, number: int, alpha: float) -> Pairs:
    """One mixed point for each of `number` examples."""
    first = np.arange(number, dtype=np.int32)
    second = rng.integers(number, size=number, dtype=np.int32)
    return Pairs(first, second, rng.beta(alpha, alpha, number).astype(np.float32))


def themselves(number: int) -> Pairs:
    """The examples, unmixed."""
    at = np.arange(number, dtype=np.int32)
    return Pairs(at, at, np.ones(number, np.float32))


class View(NamedTuple):
    """What turns bytes into normalised pixels less the mean example: x factor - shift, (D,) float32 each."""

    factor: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, examples: ImageSet, scale: float, std: Sequence[float]) -> "View":
        """std: by channel, the fastest axis of pixels. Distances do not depend on the shift; products of examples
        that are centred at their mean are smallest and lose fewest digits."""
        size = examples.pixels.shape[1]
        factor = (1 / (scale * np.tile(std, size // len(std)))).astype(np.float32)
        return cls(factor, (examples.pixels.mean(axis=0, dtype=np.float64) * factor).astype(np.float32))

    def __call__(self, pixels):
        return pixels.astype(jnp.float32) * self.factor[None] - self.shift[None]


def to_device(examples: ImageSet, block: int) -> ImageSet:
    """Padded to a multiple of `block`."""
    missing = -len(examples.labels) % block
    pixels = np.pad(examples.pixels, ((0, missing), (0, 0)))
    return jax.device_put(ImageSet(pixels, np.pad(examples.labels, (0, missing), constant_values=-1)))


def nearest(train: ImageSet, probes: ImageSet, pairs: Pairs, view: View, *, block: int) -> np.ndarray:
    """Distance of every probe to the nearest mixed point with neither label its own, (P,) float32; inf if there is none.

    train, probes: as `to_device` gives them, the padding of probes included in the answer. pairs: rows of `train`.
    """
    least = jnp.full(probes.labels.shape, jnp.inf)
    for start in range(0, len(pairs.lam), block):
        some = Pairs(*(values[start : start + block] for values in pairs))
        missing = block - len(some.lam)
        some = Pairs(*(np.pad(values, (0, missing), mode="wrap") for values in some))  # repetition changes no minimum
        least = _nearer(least, train, probes, some, view, block=block)
    return np.sqrt(np.asarray(least))


@partial(jax.jit, static_argnames="block", donate_argnums=0)
def _nearer(least, train, probes, pairs, view, *, block: int):
    """`least`, (P,) squared distances, after one more block of mixed points."""
    mixed = mix(view(train.pixels[pairs.first]), view(train.pixels[pairs.second]), pairs.lam)
    first, second = train.labels[pairs.first], train.labels[pairs.second]
    mixed_squares = jnp.sum(jnp.square(mixed), axis=1)

    def compare(some):
        least, pixels, labels = some
        seen = view(pixels)
        products = jnp.matmul(seen, mixed.T, precision=lax.Precision.HIGHEST)
        # The probe's own square is added after the minimum, and rounding must not make a square negative.
        others = (labels[:, None] != first[None]) & (labels[:, None] != second[None])
        relative = jnp.min(jnp.where(others, mixed_squares[None] - 2 * products, jnp.inf), axis=1)
        return jnp.minimum(least, jnp.maximum(relative + jnp.sum(jnp.square(seen), axis=1), 0))

    blocks = jax.tree.map(lambda values: values.reshape(-1, block, *values.shape[1:]), (least, *probes))
    return lax.map(compare, blocks).reshape(-1)


def nearest_directly(train: ImageSet, probes: ImageSet, pairs: Pairs, view: View, *, block: int) -> np.ndarray:
    """What `nearest` computes, by differences in float64 on the host; for few probes."""
    least = np.full(len(probes.labels), np.inf)
    seen = probes.pixels * view.factor.astype(np.float64)
    for start in range(0, len(pairs.lam), block):
        first, second, lam = (values[start : start + block] for values in pairs)
        lam = lam[:, None].astype(np.float64)
        mixed = (lam * train.pixels[first] + (1 - lam) * train.pixels[second]) * view.factor
        for probe, label in enumerate(probes.labels):
            others = (train.labels[first] != label) & (train.labels[second] != label)
            squares = np.sum(np.square(mixed[others] - seen[probe]), axis=1)
            least[probe] = min(least[probe], np.min(squares, initial=np.inf))
    return np.sqrt(least)


def _checks(found, errors, config) -> list:
    checks = []
    # One draw is published: the average hardly depends on it, the smallest of some 10,000 distances does, by about 9 %.
    tolerances = {"average": 0.01, "smallest": 0.27}
    if config.data_name in PUBLISHED and (config.share, config.alpha) == (0.2, 1024):
        for name in config.splits:
            published = zip(_summary(found[name]).items(), PUBLISHED[config.data_name][name], strict=True)
            for (which, measured), expected in published:
                quantity, source = f"{name}: {which} distance", f"published ({PAPER}, n = 1)"
                tolerance = round(tolerances[which] * expected, 2)
                checks.append(check(quantity, measured, expected, source, tolerance=tolerance))
    quantity = f"largest error of the distances of {DIRECT} examples"
    return [*checks, check(quantity, errors, 0.0, "differences in float64", relation="<=", tolerance=1e-3)]


def _remarks(found, config) -> list[str]:
    remarks = []
    for name in config.splits:
        smallest = np.mean([np.min(d) for d in found[name]])
        text = f"{config.data_name}, {name}: the nearest mixed point of other classes is {smallest:.3g} away"
        if config.unmixed:
            original = np.mean([np.min(d) for d in found[f"{name}, unmixed"]])
            text += f", the nearest training example of another class {original:.3g}"
        remarks.append(f"{text} (mean of the smallest distance over {len(found[name])} draws).")
    return remarks


def _figure(found, config) -> dict:
    """Which share of the examples has a mixed point of other classes within a distance."""
    shares = np.linspace(0, 1, 101)
    curves = []
    for name, distances in found.items():
        at = np.mean([np.quantile(d, shares) for d in distances], axis=0)
        curves.append(curve(name, at, shares, "dashed" if name.endswith("unmixed") else "line"))
    title = f"Distance to the nearest mixed point of other classes, {config.data_name}"
    caption = (
        "Share of examples with a mixed point of two other classes within the distance on the x axis, mean over"
        f" {config.seeds} draws, alpha = {config.alpha:g}. Dashed: with a training example of another class within it. A"
        " line that starts at 0 would mean collisions; the farther to the right, the less Mixup contradicts the data."
    )
    labels = ("Euclidean distance, normalised pixels", "share of examples")
    return lines("collisions", title, caption, *labels, series=curves)
