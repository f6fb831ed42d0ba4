"""Noisy correspondence: retrieval between two views, of which a share of the training pairs is wrong.

After "Noisy Correspondence Learning with Self-Reinforcing Errors Mitigation" (SREM; Dang et al., AAAI 2024), of which
only the abstract was at hand. View A is the upper half of a digit, view B the lower half; a share of the training pairs
(`noises`) is made wrong by handing their views B around. Two networks 32 - width - 32 with ReLU map the views; a pair is
scored by the cosine. Test pairs are right: each view A is to find its own among all views B (R@1), or at least one of its
class.

Methods, all with a batch of pairs and Adam:

InfoNCE              each row of cosines / temperature is classified among the batch, both ways
InfoNCE, s           its targets smoothed, (1 - s) e_i + s / B: uniform label smoothing, with the batch for classes
triplet              the hardest wrong match of the batch against the pair
filter by SCORE      InfoNCE on the (1 - noise) share of each batch with the highest score, once `warm_up` steps are done;
                     the score is the cosine, the softmax probability of the pair, or the energy of lamv.core.contrastive,
                     by which the paper filters. The noise is known here
filter, s            by the cosine, with smoothed targets
filter + two terms   by the energy; the loss of a kept pair is weighted by the relative entropy of the other way's matches,
                     and the dropped pairs are taught what they are not. The abstract names the two terms ("swapped
                     classification entropy", "complementary learning"); their formulas are recalled, not published ones

Noise hurts InfoNCE in that a wrong pair's target is certain. Smoothing makes every target less certain, and cannot know
which; a filter can, as far as its score finds the wrong pairs: by the AUROC on all training pairs, at the end of the
warm-up and of training.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.metrics import roc_auc_score

from lamv.core import contrastive
from lamv.data import load
from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, at_least
from lamv.theory.outcome import Outcome, check, lines, row, series
from lamv.theory.replicas import fit, keys_of, seeds_of, stacked, stream, two_layers

SCORES = ("cosine", "softmax", "energy")
VIEW = 32  # pixels of half a digit, and features
RECORDS = 5  # of each training, the first of them at the end of the warm-up

shares = Allowed(
    lambda values: len(values) > 1 and all(0 <= v < 0.95 for v in values), "two shares or more in [0, 0.95)"
)
smoothings = Allowed(lambda values: len(values) > 0 and all(0 < v < 1 for v in values), "numbers above 0 and below 1")

KNOBS = (
    Knob("noises", (0.0, 0.2, 0.4, 0.6), shares, "shares of the training pairs that are wrong, ascending"),
    Knob("smoothings", (0.1, 0.3), smoothings, "s of the smoothed targets; the first also goes with the filter"),
    Knob("points", 1200, at_least(4), "training pairs, of 1797"),
    Knob("test", 597, at_least(2), "test pairs, of the others"),
    Knob("width", 128, at_least(1), "of the hidden layer"),
    Knob("temperature", 0.1, above(0), "cosines are divided by it"),
    Knob("margin", 0.2, above(0), "of the triplet"),
    Knob("batch_size", 128, at_least(2), "pairs of a step"),
    Knob("learning_rate", 1e-3, above(0), "of Adam"),
    Knob("warm_up", 300, at_least(1), "steps before the filter starts"),
    Knob("steps", 1500, at_least(2), f"steps of training: {RECORDS} times the warm-up"),
)

MEASURED = "measured here; the margin is ours"
PAPER = "SREM (AAAI 2024), its abstract; the margin is ours"
RECALLED = "two terms named in the abstract of SREM; formulas recalled"


class Matching(NamedTuple):
    """smoothing: s. triplet: this loss instead of InfoNCE. score: of the filter, "" for none. terms: the two, too."""

    name: str
    smoothing: float = 0.0
    triplet: bool = False
    score: str = ""
    terms: bool = False


def methods(config) -> list[Matching]:
    """The list above, in its order."""
    first = config.smoothings[0]
    return [
        Matching("InfoNCE"),
        *(Matching(f"InfoNCE, s = {s:g}", smoothing=s) for s in config.smoothings),
        Matching("triplet", triplet=True),
        *(Matching(f"filter by {score}", score=score) for score in SCORES),
        Matching(f"filter by cosine, s = {first:g}", smoothing=first, score="cosine"),
        Matching("filter by energy + two terms", score="energy", terms=True),
    ]


def run(config) -> Outcome:
    """Every method at every noise with every seed."""
    if config.steps != RECORDS * config.warm_up:
        raise ConfigError(
            f"config.steps is {config.steps}, must be {RECORDS} times config.warm_up: {RECORDS * config.warm_up}"
        )
    if not config.batch_size <= config.points <= 1797 - config.test:
        raise ConfigError(
            f"config.points is {config.points}, must be a batch of {config.batch_size} at least, and leave"
            f" {config.test} of 1797 digits to test"
        )
    too_few = [noise for noise in config.noises if noise and round(noise * config.points) < 2]
    if too_few or list(config.noises) != sorted(set(config.noises)):
        raise ConfigError(f"config.noises is {config.noises}, must ascend, each 0 or a share of two pairs at least")
    curves = train(config)
    rows = []
    for (method, noise), c in curves.items():
        last = {f"test/{key}": c[key][:, -1] for key in ("recall", "same class")}
        last |= {f"{score}/AUROC {when}": c[score][:, at] for score in SCORES if noise
                 for when, at in (("after the warm-up", 1), ("at the end", -1))}  # fmt: skip
        setting = {"noise": noise, "smoothing": method.smoothing, "filter": method.score or "none"}
        rows.append(row(f"{method.name}, noise {noise:g}", last, setting))
    return Outcome(rows, _checks(curves, config), _figures(curves, config), REMARKS)


REMARKS = (
    "The energy asks whether a view has any good match in the batch. One that was handed a wrong partner has, in the batch,"
    " about as good matches as others; the cosine looks at the pair itself. At the end of training without a filter the"
    " wrong pairs are memorised: no score finds them well, and the energy is as good as the cosine.",
    "The filter knows the share of wrong pairs. A method in use has to estimate it.",
)


class Views(NamedTuple):
    """Of one seed. train, partner: (n,) digits that views A and B of the training pairs are of. test: (m,) digits.

    wrong: (n,) bool, pairs of two digits.
    """

    train: np.ndarray
    partner: np.ndarray
    wrong: np.ndarray
    test: np.ndarray


def pairs(seed: int, number: int, points: int, tested: int, noise: float) -> Views:
    """`tested` of `number` digits to test; among a share `noise` of `points` training pairs, views B change hands."""
    rng = stream(seed, 1)
    order = rng.permutation(number)
    train, test = order[:points], order[points : points + tested]
    handed = rng.permutation(points)[: round(noise * points)]
    partner = train.copy()
    partner[handed] = train[np.roll(handed, 1)]  # around a circle, so that no pair keeps its own
    wrong = np.zeros(points, bool)
    wrong[handed] = True
    return Views(train, partner, wrong, test)


def train(config) -> dict[tuple[Matching, float], dict[str, np.ndarray]]:
    """(method, noise) -> "recall", "same class" and the AUROC of each score, (seeds, RECORDS + 1); NaN without noise."""
    split = load("digits").parts["all"]
    images = split.inputs.reshape(len(split.inputs), 2, VIEW).astype(np.float32) / 16
    # By all digits, those of the test among them: their pixels, not their labels.
    images, labels = (images - images.mean(axis=0)) / images.std(), np.asarray(split.labels)
    curves = {}
    # A program for each kind of loss: the terms of one would cost the others a third of their time.
    for method in {(m.triplet, m.terms): m for m in methods(config)}.values():
        alike = [m for m in methods(config) if (m.triplet, m.terms) == (method.triplet, method.terms)]
        kinds = [(m, noise) for m in alike for noise in config.noises]
        loss, record = functions(config, jnp.asarray(images), jnp.asarray(labels), method)
        curves |= _trained(config, kinds, loss, record, len(labels))
    return {(m, noise): curves[m, noise] for m in methods(config) for noise in config.noises}


def _trained(config, kinds, loss, record, number: int):
    """The curves of methods that share a loss, in one program. A seed's split, start and batches are common to all."""
    seeds = seeds_of(config)
    views = [pairs(seed, number, config.points, config.test, noise) for _, noise in kinds for seed in seeds]
    starts = [
        {"a": two_layers(2 * seed, VIEW, config.width, VIEW), "b": two_layers(2 * seed + 1, VIEW, config.width, VIEW)}
        for _ in kinds
        for seed in seeds
    ]
    settings = [_setting(method, noise) for method, noise in kinds for _ in seeds]
    knobs = {name: np.stack([getattr(v, name) for v in views]) for name in ("train", "partner", "test")}
    knobs["seed"] = np.tile(np.arange(config.seeds), len(kinds))
    _, records = fit(
        loss, stacked(starts), knobs | stacked(settings), keys_of(config, len(kinds)), steps=config.steps,
        optimiser=optax.adam(config.learning_rate), record=record, record_every=config.warm_up,
    )  # fmt: skip
    records = {key: np.asarray(values) for key, values in records.items()}
    scores = records.pop("scores")  # (R, RECORDS + 1, 3, n)
    for s, score in enumerate(SCORES):
        records[score] = np.array(
            [[_auroc(x, v.wrong) for x in one] for one, v in zip(scores[:, :, s], views, strict=True)]
        )
    split_up = {key: values.reshape(len(kinds), config.seeds, -1) for key, values in records.items()}
    return {kind: {key: values[i] for key, values in split_up.items()} for i, kind in enumerate(kinds)}


def _setting(method: Matching, noise: float):
    return {
        "smoothing": np.float32(method.smoothing),
        "keep": np.float32(1 - noise if method.score else 1),
        "score": np.array([method.score == score for score in SCORES], np.float32),
    }


def _auroc(scores, wrong) -> float:
    """That a right pair has a higher score than a wrong one; NaN where there are none of one kind."""
    return float(roc_auc_score(~wrong, scores)) if 0 < wrong.sum() < len(wrong) else float("nan")


def features(params, x):
    """(B, 32) -> (B, 32): one hidden layer with ReLU."""
    hidden = jax.nn.relu(x @ params["kernel1"].T + params["bias1"][None])
    return hidden @ params["kernel2"].T + params["bias2"][None]


def functions(config, images, labels, method: Matching):
    """The loss and the record for lamv.theory.replicas.fit, of all methods with the triplet and the terms of this one.

    images: (N, 2, 32) both views; labels: (N,).
    """
    # From a table: to draw without replacement is to sort, which would cost a step as much as the networks do.
    batches = jnp.asarray(np.stack([_batches(seed, config) for seed in seeds_of(config)]))

    def similarities(params, first, second):
        return contrastive.cosines(features(params["a"], images[first, 0]), features(params["b"], images[second, 1]))

    def scores_of(cosines):
        found = contrastive.pair_scores(cosines, config.temperature)
        return jnp.stack([found[score] for score in SCORES])

    def loss(params, knobs, key, t):
        batch = batches[knobs["seed"], t].astype(int)
        cosines = similarities(params, knobs["train"][batch], knobs["partner"][batch])
        if method.triplet:
            return jnp.mean(contrastive.both_ways(contrastive.hardest_triplet, cosines, config.margin))
        trust = knobs["score"] @ scores_of(jax.lax.stop_gradient(cosines))
        kept = contrastive.surest(trust, jnp.where(t < config.warm_up, 1.0, knobs["keep"]))
        if method.terms:
            return with_two_terms(cosines / config.temperature, kept)
        losses = contrastive.both_ways(contrastive.info_nce, cosines / config.temperature, knobs["smoothing"])
        return jnp.sum(kept * losses) / jnp.sum(kept)

    def record(params, knobs):
        cosines = similarities(params, knobs["test"], knobs["test"])
        found = jnp.argmax(cosines, axis=1)
        of_test = labels[knobs["test"]]
        return {
            "recall": jnp.mean(found == jnp.arange(len(found))),
            "same class": jnp.mean(of_test[found] == of_test),
            "scores": scores_of(similarities(params, knobs["train"], knobs["partner"])),
        }

    return loss, record


def with_two_terms(logits, kept):
    """InfoNCE of the kept pairs (B,) 0 / 1, weighted by the relative entropy of the other way, and of the others what they
    are not; by pair that is kept. Recalled, see the top."""
    other, total = jax.lax.stop_gradient(logits), 0.0
    for way, swapped in ((logits, other.T), (logits.T, other)):
        own = kept * contrastive.relative_entropy(swapped) * contrastive.info_nce(way)
        total += jnp.sum(own + (1 - kept) * contrastive.complementary_loss(way)) / 2
    return total / jnp.sum(kept)


def _batches(seed: int, config) -> np.ndarray:
    """(T, B) int16: positions among the training pairs, without replacement within a batch."""
    order = np.tile(np.arange(config.points, dtype=np.int16), (config.steps, 1))
    return stream(seed, 2).permuted(order, axis=1)[:, : config.batch_size]


def _checks(curves, config):
    noises = [noise for noise in config.noises if noise > 0]
    by_name = {(method.name, noise): c for (method, noise), c in curves.items()}
    last = {kind: c["recall"][:, -1] for kind, c in by_name.items()}
    low, high = config.noises[0], config.noises[-1]
    s = f"s = {config.smoothings[0]:g}"
    plain, by_cosine, by_energy = "InfoNCE", "filter by cosine", "filter by energy"
    checks = [
        check(f"R@1 of InfoNCE, noise {low:g} - noise {high:g}", last[plain, low] - last[plain, high], 0.05, PAPER,
              relation=">="),
    ]  # fmt: skip
    for quantity, first, second, relation, bound, tolerance, source in (
        ("InfoNCE - triplet", plain, "triplet", ">=", 0.0, 0.0, PAPER),
        ("filter by cosine - InfoNCE", by_cosine, plain, ">=", 0.01, 0.0, MEASURED),
        ("filter by energy - filter by cosine", by_energy, by_cosine, ">=", 0.0, 0.0, PAPER),
        ("two terms - filter by energy alone: a tie", f"{by_energy} + two terms", by_energy, "=", 0.0, 0.02, RECALLED),
        (f"InfoNCE, {s} - InfoNCE: no gain", f"{plain}, {s}", plain, "<=", 0.0, 0.01, MEASURED),
        (f"filter by cosine, {s} - not smoothed: no gain", f"{by_cosine}, {s}", by_cosine, "<=", 0.0, 0.01, MEASURED),
    ):
        checks += [
            check(f"R@1, noise {noise:g}: {quantity}", last[first, noise] - last[second, noise], bound, source,
                  relation=relation, tolerance=tolerance)
            for noise in noises
        ]  # fmt: skip
    checks += [
        check(f"AUROC of wrong pairs after the warm-up, noise {noise:g}: energy - cosine",
              by_name[plain, noise]["energy"][:, 1] - by_name[plain, noise]["cosine"][:, 1], 0.0, PAPER, relation=">=")
        for noise in noises
    ]  # fmt: skip
    return checks


def _figures(curves, config):
    steps = np.linspace(0, config.steps, RECORDS + 1)
    over = f"Mean and sd over {config.seeds} seeds."
    noise = max(config.noises)
    first = f"InfoNCE, s = {config.smoothings[0]:g}"
    shown = ("InfoNCE", first, "triplet", "filter by cosine", "filter by energy")
    recall = [
        series(m.name, config.noises, np.stack([curves[m, n]["recall"][:, -1] for n in config.noises]), axis=1,
               style="dashed" if m.score else "line")
        for m in methods(config)
        if m.name in shown
    ]  # fmt: skip
    plain = methods(config)[0]
    return [
        lines(
            "recall", "Retrieval over the share of wrong training pairs",
            f"Share of test views A whose best match is their own view B. {over} Dashes: with a filter.",
            "share of wrong pairs", "R@1", series=recall,
        ),
        lines(
            "detection", f"How well scores find the wrong pairs, noise {noise:g}",
            f"AUROC on all training pairs under InfoNCE. {over} One half is chance. Wrong pairs are memorised in the end.",
            "step", "AUROC", series=[series(score, steps, curves[plain, noise][score]) for score in SCORES],
            levels=[{"y": 0.5, "name": "chance"}],
        ),
    ]  # fmt: skip
