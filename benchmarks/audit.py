"""How good the verdicts of experiments.audit are: synthetic worlds, in each of which the truth is known.

    python -m benchmarks.audit [--worlds=60] [--folder=FOLDER] [--shard=I/N] [--write]

A world is a law of examples: a table of 20 columns and 2 classes, or grey images of 12 x 12 or 16 x 16 pixels and 3
classes. In most of them there is a cue, a further column or a patch, a cast or a grating, with a variance, a reliability and
a strength of its own; there may be classes of unequal size and label noise, and 300, 900 or 2,700 examples to audit.

The truth about a method is had by training it and ERM at length on four times as many examples, 5 seeds each:
    risky   accuracy is lower than ERM's by 3 points or more, its interval below 0, on examples whose cue says nothing, or
            on new examples of the same law
    helps   not risky, and accuracy on new examples of the same law is higher by half a point or more, its interval above 0
    safe    neither

The verdict is that of an audit of the small sample alone. The thresholds of lamv.audit.verdict are set on the worlds of even
number; the figures are of those of odd number. --write puts them into lamv/audit/reliability.json, which the page prints.
What is done is kept in FOLDER, and the same command goes on. About 3 hours on two cores.
"""

import itertools
import json
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from experiments import launch
from lamv import xla

xla.prepare()

WORLDS = flags.DEFINE_integer("worlds", 60, "How many worlds.")
FOLDER = flags.DEFINE_string("folder", "runs/audit_worlds", "Folder of what is trained.")
SHARD = flags.DEFINE_string("shard", "0/1", "Of N processes that share the worlds, this is number I.")
WRITE = flags.DEFINE_bool("write", False, "Write lamv/audit/reliability.json.")

NOISES, RELIABILITIES, SIZES = (0.0, 0.0, 0.25, 0.5, 1.0), (1.0, 1.0, 0.95, 0.85), (300, 900, 2700)
STRENGTHS, PRIORS, LABEL_NOISES = (0.15, 0.3, 0.6), (1.0, 4.0), (0.0, 0.0, 0.1)
SIDES = (12, 12, 16)  # a perceptron sees the smaller ones, a convolutional network the larger ones
IMAGE_CUES = ("patch", "cast", "grating")
#: Of the truth: times as many examples, steps, seeds, and test examples.
MORE, STEPS, SEEDS, TEST = 4, 2000, 5, 4000
#: Of the audit.
MINUTES = 3.0
#: A loss that is a harm, one that is grave, and a gain that is a help.
HARM, GRAVE, HELP = 0.03, 0.05, 0.005


class World(NamedTuple):
    """cue: "none", "column", or one of IMAGE_CUES. prior: of the first class over that of another. seed: of its law."""

    number: int
    kind: str
    cue: str
    noise: float
    reliability: float
    strength: float
    prior: float
    label_noise: float
    size: int
    side: int

    @property
    def classes(self) -> int:
        return 2 if self.kind == "table" else 3


def world(number: int) -> World:
    """The world of that number, always the same."""
    rng = np.random.default_rng((20261129, number))
    kind = ("table", "image")[number // 2 % 2]  # even and odd numbers have as many of both
    cued = rng.random() < 0.7
    cue = "none" if not cued else "column" if kind == "table" else str(rng.choice(IMAGE_CUES))
    noise, reliability, strength = (rng.choice(values) for values in (NOISES, RELIABILITIES, STRENGTHS))
    prior, label_noise, size = (rng.choice(values) for values in (PRIORS, LABEL_NOISES, SIZES))
    return World(number, kind, cue, float(noise), float(reliability), float(strength), float(prior), float(label_noise),
                 int(size), int(rng.choice(SIDES)))  # fmt: skip


def draw(of: World, number: int, stream: int, *, informative: bool = True, noisy: bool = True):
    """(inputs, labels) of so many examples. informative: else the cue says any class. noisy: whether labels are replaced."""
    law, rng = np.random.default_rng((1, of.number)), np.random.default_rng((2, of.number, stream))
    weights = np.array([of.prior] + [1.0] * (of.classes - 1))
    labels = rng.choice(of.classes, number, p=weights / weights.sum())
    says = np.where(
        rng.random(number) < of.reliability, labels, (labels + rng.integers(1, of.classes, number)) % of.classes
    )
    if not informative:
        says = rng.integers(of.classes, size=number)
    make = table if of.kind == "table" else images
    inputs = make(of, law, rng, labels, says)
    if noisy and of.label_noise:
        labels = np.where(rng.random(number) < of.label_noise, rng.integers(of.classes, size=number), labels)
    return inputs, labels


def table(of: World, law, rng, labels, says) -> np.ndarray:
    """(N, 20 or 21) float32: 10 columns tell the class, in two modes of each; 5 follow another law; 5 are noise."""
    modes = law.normal(size=(2, 2, 10)) * 0.9
    mixing = law.normal(size=(5, 5)) / 2
    mode = rng.integers(2, size=len(labels))
    inputs = np.concatenate([modes[labels, mode], np.zeros((len(labels), 10))], axis=1) + rng.normal(
        size=(len(labels), 20)
    )
    inputs[:, 10:15] = inputs[:, 10:15] @ mixing
    if of.cue != "none":
        column = of.strength * (2.0 * says - 1) + of.strength * of.noise * rng.normal(size=len(labels))
        inputs = np.insert(inputs, law.integers(21), column, axis=1)
    return inputs.astype(np.float32)


def images(of: World, law, rng, labels, says) -> np.ndarray:
    """(N, side, side) uint8: two smooth patterns of each class, of random brightness, shifted, under smooth noise."""
    patterns = _smooth(law, (of.classes * 2, of.side, of.side), 2.0)
    mode = rng.integers(2, size=len(labels))
    shown = patterns[2 * labels + mode] * rng.uniform(0.5, 1.2, len(labels))[:, None, None]
    shift = rng.integers(-1, 2, (len(labels), 2))
    shown = np.stack([np.roll(image, by, axis=(0, 1)) for image, by in zip(shown, shift, strict=True)])
    shown = 0.5 + 0.13 * (shown + 0.8 * _smooth(rng, shown.shape, 1.0))
    level = (says - (of.classes - 1) / 2) + of.noise * rng.normal(size=len(labels))
    size = 0.15 * of.strength * level[:, None, None]
    if of.cue == "patch":
        shown[:, : of.side // 4, : of.side // 4] = 0.5 + 2 * size
    elif of.cue == "cast":
        shown = shown + size
    elif of.cue == "grating":
        y, x = np.mgrid[: of.side, : of.side]
        shown = shown + size * np.cos(2 * np.pi * (x + y) / 4)
    return (255 * shown.clip(0, 1)).round().astype(np.uint8)


def _smooth(rng, shape: tuple[int, ...], width: float) -> np.ndarray:
    """Gaussian fields with a correlation of about `width` pixels, variance 1 at each."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.normal(size=shape), (0, width, width), mode="wrap")
    return field / field.std()


def main() -> None:
    from lamv.audit import verdict

    folder = Path(FOLDER.value)
    found = []
    own, shards = map(int, SHARD.value.split("/"))
    for number in range(own, WORLDS.value, shards):
        of = world(number)
        here = folder / f"world{number:03d}"
        result = here / "result.json"
        if not result.is_file():
            here.mkdir(parents=True, exist_ok=True)
            measured = audited(of, here)
            content = {"world": of._asdict(), "truth": truth(of, here), **measured}
            result.write_text(json.dumps(content))
            for workdir in ("truth", "audit_runs"):
                shutil.rmtree(here / workdir, ignore_errors=True)
        found.append(json.loads(result.read_text()))
        print(line(found[-1], verdict), flush=True)
    if shards > 1:
        return  # the verdicts are judged over all worlds together, by the command without --shard
    fitted = fit([one for one in found if one["world"]["number"] % 2 == 0], verdict)
    if fitted != verdict.THRESHOLDS:
        print(f"the worlds of even number would set the thresholds of lamv/audit/verdict.py to {fitted}")
    table_of = reliability([one for one in found if one["world"]["number"] % 2], verdict, verdict.THRESHOLDS)
    print(json.dumps(table_of, indent=1), flush=True)
    if WRITE.value:
        Path("lamv/audit/reliability.json").write_text(json.dumps(table_of, indent=1) + "\n")


def audited(of: World, here: Path) -> dict[str, Any]:
    """What an audit measures on a sample of the world."""
    from lamv import audit
    from lamv.audit import question

    inputs, labels = draw(of, of.size, stream=0)
    np.savez(here / "sample.npz", inputs=inputs, labels=labels)
    asked = question.Question(
        here / "sample.npz", here / "audit.html", question.parsed(question.DEFAULT), minutes=MINUTES
    )
    return audit.measured_alone(asked)


def truth(of: World, here: Path) -> dict[str, str]:
    """{method: "risky", "helps" or "safe"}."""
    from lamv import config as configs
    from lamv.audit import question
    from lamv.core.intervals import over_seeds
    from lamv.train import loop

    train, same = draw(of, MORE * of.size, stream=1), draw(of, TEST, stream=2, noisy=False)
    shifted = draw(of, TEST, stream=3, informative=False, noisy=False)
    parts = {"train": train, "test": same, "valid": shifted}
    arrays = {f"{part}_{kind}": array for part, pair in parts.items()
              for kind, array in zip(("inputs", "labels"), pair, strict=True)}  # fmt: skip
    np.savez(here / "truth.npz", **arrays)
    methods = question.parsed(question.DEFAULT)
    config = configs.defaults()
    config.rows = question.rows([question.ERM, *methods])
    config.steps, config.batch_size, config.seeds, config.log_every = STEPS, 64, SEEDS, STEPS
    config.data.name, config.data.path = "npz", str(here / "truth.npz")
    config.model.name = "mlp" if of.kind == "table" or of.side < 16 else "cnn"
    config.data.flatten = of.kind == "image" and of.side < 16
    config.optim.name, config.optim.lr = "adam", 2e-3 if config.model.name == "cnn" else 5e-3
    done = loop.train(config, here / "truth")
    (here / "truth.npz").unlink()
    values = {row["name"]: {k: np.array(v["values"]) for k, v in row["metrics"].items()} for row in done["rows"]}
    answers = {}
    for method in methods:
        own, erm = values[method.label], values["erm"]
        iid = over_seeds(own["test/accuracy"] - erm["test/accuracy"])
        moved = over_seeds(own["valid/accuracy"] - erm["valid/accuracy"])
        harmed = any(one.mean <= -HARM and one.high < 0 for one in (iid, moved))
        helped = iid.mean >= HELP and iid.low > 0
        answers[method.label] = "risky" if harmed else "helps" if helped else "safe"
        answers[f"{method.label} differences"] = [iid.mean, moved.mean]
    answers["erm"] = [float(values["erm"]["test/accuracy"].mean()), float(values["erm"]["valid/accuracy"].mean())]
    return answers


def fit(found, verdict):
    """The thresholds of the least cost on these worlds: a false "safe" costs as much as five of any other mistake."""

    def cost(thresholds) -> float:
        known = reliability(found, verdict, thresholds)
        return 5 * known["false_safe"] + known["false_risky"] + known["inconclusive"]

    grid = itertools.product((0.03, 0.04), (0.03, 0.04, 0.06, 0.08, 0.1, 0.12))
    tried = [verdict.Thresholds(accuracy=accuracy, sufficient=sufficient) for accuracy, sufficient in grid]
    return min(tried, key=lambda thresholds: (cost(thresholds), thresholds != verdict.THRESHOLDS))


def pairs(found, verdict, thresholds):
    """(truth, verdict) of each method in each world."""
    for one in found:
        for method, evidence in evidence_of(one, verdict).items():
            yield one["truth"][method], verdict.judge(evidence, one["reasons"], thresholds).verdict


def losses(found, verdict, thresholds):
    """(worse of the two true differences, verdict) of each method in each world."""
    for one in found:
        for method, evidence in evidence_of(one, verdict).items():
            given = verdict.judge(evidence, one["reasons"], thresholds).verdict
            yield min(one["truth"][f"{method} differences"]), given


def evidence_of(one, verdict) -> dict[str, Any]:
    """{method: its differences from ERM} in one world."""
    accuracy = one["accuracy"]
    return {name: verdict.evidence_of(name, one["measured"], accuracy) for name in accuracy if name != "erm"}


def reliability(found, verdict, thresholds) -> dict[str, Any]:
    """How often each verdict was given, by the truth; and the two shares that matter."""
    counts = {}
    for truth, given in pairs(found, verdict, thresholds):
        counts.setdefault(truth, {}).setdefault(given, 0)
        counts[truth][given] += 1
    total = sum(sum(row.values()) for row in counts.values())
    risky = counts.get("risky", {})
    harmless = {given: sum(counts.get(t, {}).get(given, 0) for t in ("safe", "helps")) for given in verdict.VERDICTS}
    passed = sum(risky.get(given, 0) for given in ("safe", "helps"))
    grave = [given in ("safe", "helps") for loss, given in losses(found, verdict, thresholds) if loss <= -GRAVE]
    sizes = [one["world"]["size"] for one in found]
    return {
        "worlds": len(found), "judged": total, "counts": counts, "missed": passed,
        "false_safe": passed / max(1, sum(risky.values())),
        "grave": len(grave), "false_safe_of_grave": sum(grave) / max(1, len(grave)),
        "false_safe_of_safe": passed / max(1, passed + harmless["safe"] + harmless["helps"]),
        "false_risky": harmless["risky"] / max(1, sum(harmless.values())),
        "inconclusive": sum(row.get("inconclusive", 0) for row in counts.values()) / max(1, total),
        "thresholds": thresholds._asdict(),
        "examples": [min(sizes), max(sizes)], "classes": [2, 3], "networks": ["mlp", "cnn"],
    }  # fmt: skip


def line(one, verdict) -> str:
    """A world, its truth and the verdicts, for the log."""
    of = World(**one["world"])
    given = dict(zip(evidence_of(one, verdict), (v for _, v in pairs([one], verdict, verdict.THRESHOLDS)), strict=True))
    words = "  ".join(
        f"{m}: {one['truth'][m]} {' '.join(f'{100 * d:+.1f}' for d in one['truth'][f'{m} differences'])} -> {v}"
        for m, v in given.items()
    )
    erm = " ".join(f"{accuracy:.3f}" for accuracy in one["truth"]["erm"])
    law = " ".join(f"{key} {value}" for key, value in of._asdict().items())
    return f"{law}  erm {erm}  {words}"


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))
