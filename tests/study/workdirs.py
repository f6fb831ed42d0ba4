"""Small workdirs, made up rather than trained, so that what a report says of them can be foretold."""

import json

from lamv.study.runs import spread

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
