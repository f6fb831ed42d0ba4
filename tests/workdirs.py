"""Small workdirs, made up rather than trained, so that what a report says of them can be foretold."""

import json

from lamv.compare import cohorts
from lamv.results import runs
from lamv.results.records import spread

FOUR_METHODS = {"ERM": "erm", "LS .1": "label_smoothing", "Mixup": "mixup", "CutMix": "cutmix"}
SPLITS = ("test_aligned", "test_random", "test_conflicting", "test_absent")


def config(method="erm", shortcut="tag", **knobs):
    return {
        "seed": 0,
        "seeds": 3,
        "batch_size": 128,
        "steps": 20,
        "epochs": None,
        "data": {
            "name": "digits",
            "train_size": 1200,
            "shortcut": {"kind": shortcut, "strength": 0.5, "reliability": 1.0, "noise": 0.0},
        },
        "method": {"name": method, "smoothing": 0.1, "convention": "uniform", "alpha": 1.0, "lam_per": "example"},
        "model": {"name": "mlp", "widths": [64]},
        "optim": {"name": "adam", "lr": 0.005, "weight_decay": 0.0, "schedule": "cosine"} | knobs,
    }


def measured(random=0.8, seeds=3, shortcut=True, test=1.0):
    """Metrics of a row, a list of values each; `random` is the accuracy with a random cue of the seed in the middle."""
    around = [0.01 * (seed - (seeds - 1) / 2) for seed in range(seeds)]
    values = {
        "train/loss": [0.25] * seeds,
        "test/accuracy": [test + a / 10 - 0.002 for a in around],
        "test/features/within_variance": [4.0 + a for a in around],
        "test/features/total_variance": [9.0 + a for a in around],
        "test/outputs/within_variance": [0.02 + a / 10 for a in around],
        "test/outputs/within_variance_per_unit": [0.002 + a / 100 for a in around],
        "test/outputs/total_variance": [0.5 + a / 10 for a in around],
    }
    if shortcut:
        values |= {f"{split}/accuracy": [0.98] * seeds for split in SPLITS}
        values |= {"test_random/accuracy": [random + a for a in around]}
        values |= {"test/weight_norm_ratio": [0.8 + a for a in around]}
    return values


def row(name, values, **knobs):
    metrics = {metric: spread(v)._asdict() | {"values": list(v)} for metric, v in values.items()}
    return {"name": name, "config": config(**knobs), "metrics": metrics}


def changed(row, **knobs):
    """The row with some knobs of its config set, dots written as double underscores."""
    config = json.loads(json.dumps(row["config"]))
    for key, value in knobs.items():
        *parents, leaf = key.split("__")
        node = config
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return {**row, "config": config}


def of_groups(accuracies, split="test", counts=None, seeds=3, left_out=0):
    """Metrics of groups, a list of values each; accuracies: {(y, a): of the seed in the middle}."""
    around = [0.01 * (seed - (seeds - 1) / 2) for seed in range(seeds)]
    values = {}
    for (y, a), accuracy in accuracies.items():
        values[f"{split}/group_{y}_{a}/accuracy"] = [min(1.0, max(0.0, accuracy + v)) for v in around]
        values[f"{split}/group_{y}_{a}/count"] = [(counts or {}).get((y, a), 50)] * seeds
    found = list(accuracies.values())
    worst = min(accuracies, key=lambda group: accuracies[group])
    values[f"{split}/worst_group_count"] = [(counts or {}).get(worst, 50)] * seeds
    values[f"{split}/worst_group_accuracy"] = [min(found) + v for v in around]
    values[f"{split}/mean_group_accuracy"] = [sum(found) / len(found) + v for v in around]
    values[f"{split}/adjusted_accuracy"] = [max(found) + v for v in around]
    values[f"{split}/groups_left_out"] = [left_out] * seeds
    return values


def summary(*rows, claims=(), overrides=None):
    return {"title": "A made-up run", "overrides": overrides or {}, "rows": list(rows), "claims": list(claims)}


def write(path, summary, finished=True, claims=(), about="Which feature is learned?"):
    """A workdir as training leaves it; without `finished`, as it is midway, at step 10 of 20."""
    path.mkdir(parents=True, exist_ok=True)
    rows = [{"name": r["name"], "config": r["config"]} for r in summary["rows"]]
    dump(path / "config.json", {"title": summary["title"], "about": about, "claims": list(claims), "rows": rows})
    packages = {"jax": "0.10.2", "lamv": None}
    device = {"kind": "cpu", "platform": "cpu", "count": 1, "processes": 1, "mesh": {"replica": 1, "data": 1}}
    data = [{"file": "digits", "sha256": "ab" * 32, "official": True}]
    stored = {"command": ["train.py"], "python": "3.11", "packages": packages, "git_commit": None, "device": device}
    dump(path / "provenance.json", stored | {"xla_flags": "", "data": data})
    lines = [line for step in (10, 20)[: 1 + finished] for r in summary["rows"] for line in lines_of(r, step)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if finished:
        dump(path / "summary.json", summary)
    return path


def lines_of(row, step):
    values = {metric: m["values"] for metric, m in row["metrics"].items()}
    for replica in range(len(values["train/loss"])):
        own = {metric: v[replica] for metric, v in values.items()}
        yield {"step": step, "row": row["name"], "replica": replica, "seed": replica, **own}


def dump(path, content):
    path.write_text(json.dumps(content))


#: What `evaluate` leaves by default: a value by row and seed, so that each can be told from the others.
LAYERS = ("block0", "block1")
EVALUATED = {
    "test/accuracy": 0.90, "train/accuracy": 0.99, "test/nll": 0.4, "test/ece": 0.06, "test/ece_scaled": 0.01,
    "test/temperature": 1.5, "test/brier": 0.2, "test/aurc": 0.03,
    "test/features/within_variance": 4.0, "test/features/total_variance": 9.0, "test/features/within_over_total": 0.44,
    "test/outputs/within_variance": 0.02, "test/outputs/total_variance": 0.5, "test/outputs/within_over_total": 0.04,
    "test/logits/within_over_total": 0.2, "test/layers/block0/within_over_total": 0.9,
    "test/layers/block1/within_over_total": 0.7, "train/collapse/nc1": 0.3, "train/separation": 0.8,
    "test/margin_min": -0.5, "test/margin_p1": 0.1, "test/margin_p5": 0.5, "test/margin_p25": 1.0,
    "test/margin_median": 2.0, "test/margin_mean": 1.9, "augmented/loss": 0.8, "augmented/floor": 0.5, "augmented/kl": 0.1,
    "augmented/variance_half": 0.04, "augmented/variance_sharp": 0.08, "augmented/bound_sharp": 0.68,
    "augmented/slack_sharp": 0.12, "test/attack/fgsm_0.01/accuracy": 0.5, "test/attack/fgsm_0.1/accuracy": 0.3,
    "test/corruption/noise_0.5/accuracy": 0.6, "probe/digits/block1/accuracy": 0.85, "train/information": 1.2,
}  # fmt: skip


def evaluate(path, summary, steps=(20,), values=EVALUATED, curves=True):
    """A workdir that `write` made, as evaluation leaves it: values times 1 - i / 10 in row i, 1 - r / 100 in seed r."""
    lines, found = [], []
    for step in steps:
        for place, row in enumerate(summary["rows"]):
            for replica in range(len(row["metrics"]["train/loss"]["values"])):
                of = {"step": step, "row": row["name"], "replica": replica, "seed": row["config"]["seed"] + replica}
                times = (1 - place / 10) * (1 - replica / 100)
                lines.append(of | {key: value * times for key, value in values.items()})
                found += curves_of(of) if curves else []
    (path / "evaluation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (path / "evaluation_curves.jsonl").write_text("".join(json.dumps(curve) + "\n" for curve in found))
    stored = {"command": ["evaluate.py", "--checkpoints=all"], "git_commit": "c0ffee", "layers": list(LAYERS)}
    settings = {"settings": {"examples": 500}, "notes": ["There was no validation set."]}
    dump(path / "evaluation_provenance.json", stored | settings)
    return path


def curves_of(line):
    of = line | {"split": "test"}
    bins = {"count": [0, 10, 30], "confidence": [None, 0.5, 0.9], "accuracy": [None, 0.4, 0.8]}
    for temperature in (None, 1.5):
        yield of | {"kind": "reliability", "temperature": temperature} | bins
    for score in ("max_probability", "max_logit", "max_logit_normalised"):
        yield of | {"kind": "risk_coverage", "score": score, "coverage": [0.1, 0.5, 1.0], "risk": [0.0, 0.05, 0.1]}
    label = [place % 3 for place in range(60)]
    cloud = {"x": [k + place / 60 for place, k in enumerate(label)], "y": [place / 30 for place in range(60)]}
    templates = [[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]
    for split in ("train", "test"):
        named = {"classes": [0, 1, 2], "names": ["zero", "one", "two"], "label": label, "templates": templates}
        yield of | {"kind": "projection", "split": split} | named | cloud
    shares = [[float(k == place % 3) for place in range(60)] for k in range(3)]
    named = {"names": ["zero", "one", "two"], "shares": shares, "templates": templates}
    yield of | {"kind": "mixed_projection", "split": "augmented"} | named | cloud


def interval(line, metric, mean, low, high, against=None, examples=500):
    """A line of evaluation_curves.jsonl: a bootstrap over examples."""
    return line | {
        "kind": "interval", "metric": metric, "mean": mean, "low": low, "high": high, "examples": examples,
        "against": against,
    }  # fmt: skip


def four_methods(seeds=3, names=FOUR_METHODS, **knobs):
    """The summary of four rows without a shortcut, by default."""
    values = measured(shortcut=False, seeds=seeds)
    return summary(*(row(name, values, method=m, shortcut="none", **knobs) for name, m in names.items()))


def evaluated(path, made=None, finished=True, **how):
    """A workdir that was trained and evaluated."""
    made = made or four_methods()
    return evaluate(write(path, made, finished=finished), made, **how)


def cohort_of(path):
    """The one cohort of a workdir."""
    [cohort] = cohorts.of(cohorts.members_of(runs.read(path), "run"))
    return cohort
