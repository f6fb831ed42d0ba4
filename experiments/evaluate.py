"""Compute what a trained run has learned from its checkpoints, into evaluation.jsonl.

    python -m experiments.evaluate --workdir=DIR [--checkpoints=all|last|STEP,...] [--config.data.path=...]

Of every layer, on every split: variance (total, within and between classes), and of the features neural collapse, class
separation and effective rank; calibration with and without temperature scaling, selective prediction, margins; the loss
on the run's own augmented inputs next to its lower bounds by the variance; the plane through three class templates, and
the information about the image that is left in the logits.

Only where asked for, and of the last of the checkpoints:
    --attack=0.01,0.03                         accuracy after FGSM and PGD steps of these sizes
    --corruption=0.1,0.3                       ... and under common corruptions of these levels, which are lamv's own
    --probe=features,LAYER [--transfer=NAME:PATH]   a linear probe of layers ("all": of every one), also on other data

The report of the run, DIR/report.html, is written anew. On several hosts, the same command on each, with the flags that
experiments.train has for it; the first process writes.
"""

import sys

from absl import flags

from experiments import launch
from lamv.errors import ConfigError

launch.use_fast_convolutions()

WORKDIR = flags.DEFINE_string("workdir", None, "Directory of a run.")
CHECKPOINTS = flags.DEFINE_string("checkpoints", "last", "Which ones: last, all, or steps with commas between.")
DATA_PATH = flags.DEFINE_string("config.data.path", None, "Where the data lies, if not where it lay in training.")
EXAMPLES = flags.DEFINE_integer(
    "examples", None, "Training examples to look at, at the most; by default as in training."
)
BRIEF = flags.DEFINE_bool("brief", False, "Only what training measures too, and what comes with it in the same pass.")
CLASSES = flags.DEFINE_list("classes", ["0", "1", "2"], "Three classes for the projection; information is of two.")
ATTACK = flags.DEFINE_list("attack", [], "Sizes of attacks, where images lie in [0, 1]; commas between.")
CORRUPTION = flags.DEFINE_list("corruption", [], "Levels of corruptions, from 0 to 1; commas between.")
ROBUST_EXAMPLES = flags.DEFINE_integer("robust_examples", 1000, "Test examples for attacks and corruptions.")
PROBE = flags.DEFINE_list("probe", [], "Layers to probe, commas between; all: every one.")
launch.define_process_flags()
TRANSFER = flags.DEFINE_string("transfer", "", "Data set to probe on, NAME or NAME:PATH; by default the run's own.")


def main() -> None:
    asked = wanted()
    launch.join_processes()
    from lamv.study import evaluate, report, table
    from lamv.train.parallel import is_main_process
    from lamv.train.tracking import summary_row, values_of

    lines = evaluate.evaluate(WORKDIR.value, CHECKPOINTS.value, DATA_PATH.value, wanted=evaluate.Wanted(**asked))
    if not is_main_process():
        return
    ended, stated = evaluate.claims_of(WORKDIR.value)
    for step in dict.fromkeys(line["step"] for line in lines):
        rows: dict[str, list] = {}
        for line in lines:
            if line["step"] == step:
                rows.setdefault(line["row"], []).append(line)
        summaries = [summary_row(name, {}, values_of(own)) for name, own in rows.items()]
        claims = stated if step == ended else []
        of_step = {"title": f"step {step}", "step": step, "rows": summaries, "claims": claims}
        print(table.as_text(of_step), end="\n\n")
    print(f"report: {report.write(WORKDIR.value)}")


def wanted() -> dict:
    """The flags, checked, by the names of lamv.study.evaluate.Wanted; before anything slow is imported."""
    if TRANSFER.value and not PROBE.value:
        raise ConfigError(
            f"--transfer is {TRANSFER.value!r} and --probe names no layer; add --probe=features, or --probe=all"
        )
    return {
        "brief": BRIEF.value,
        "examples": _at_least_one("examples", EXAMPLES.value),
        "classes": _classes(),
        "attacks": _numbers("attack", ATTACK.value, most=1.0),
        "corruptions": _numbers("corruption", CORRUPTION.value, most=1.0),
        "robust_examples": _at_least_one("robust_examples", ROBUST_EXAMPLES.value),
        "probe": tuple(PROBE.value),
        "transfer": TRANSFER.value,
    }


def _classes() -> tuple[int, ...]:
    try:
        classes = tuple(int(part) for part in CLASSES.value)
    except ValueError:
        classes = ()
    if len(classes) != 3 or len(set(classes)) != 3 or min(classes) < 0:
        raise ConfigError(
            f"--classes is {','.join(CLASSES.value)!r}, must be three different classes, for example 0,1,2"
        )
    return classes


def _numbers(flag: str, parts: list[str], most: float) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        values = (-1.0,)
    if not all(0 <= value <= most for value in values):
        raise ConfigError(f"--{flag} is {','.join(parts)!r}, must be numbers from 0 to {most:g} with commas between")
    return values


def _at_least_one(flag: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ConfigError(f"--{flag} is {value}, must be at least 1")
    return value


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=("workdir",)))
