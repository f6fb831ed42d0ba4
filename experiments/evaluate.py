"""Compute what a trained run has learned from its checkpoints, into evaluation.jsonl.

    python -m experiments.evaluate --workdir=DIR [--checkpoints=all|last|STEP,...] [--config.data.path=...]

Of every layer, on every split: variance (total, within and between classes), and of the features neural collapse, class
separation and effective rank; calibration with and without temperature scaling, selective prediction, margins; the loss
on the run's own augmented inputs next to its lower bounds by the variance; the plane through three class templates, and
the information about the image that is left in the logits.

Only where asked for, and of the last of the checkpoints:
    --attack=0.01,0.03                         accuracy after FGSM and PGD steps of these sizes
    --corruption=0.1,0.3                       ... and under common corruptions of these levels, which are lamv's own
    --probe=features,LAYER [--transfer=NAME:PATH]   a linear probe of layers ("all": of every one), also on other data,
                                               or on the classes that data.classes left out (--transfer=unseen)

--register=my_recipe.py runs that file first, where the run has a model, a data set or a method that its recipe registered.
The report of the run, DIR/report.html, is written anew. On several hosts, the same command on each, with the flags that
experiments.train has for it; the first process writes.
"""

from collections.abc import Sequence

from absl import flags

from experiments import launch
from lamv import paths, xla
from lamv.errors import ConfigError, brief, nearest

xla.prepare()

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
launch.define_register()
TRANSFER = flags.DEFINE_string(
    "transfer", "", "Data set to probe on, NAME or NAME:PATH, or unseen; by default the run's own."
)
FLAGS = flags.FLAGS
#: Flags that do nothing without any of others.
IDLE_WITHOUT = {
    "transfer": (("probe",), "--probe names no layer; add --probe=features, or --probe=all"),
    "robust_examples": (("attack", "corruption"), "add --attack=0.03 or --corruption=0.3, or leave it out"),
}


def main() -> None:
    launch.register()
    which, data_path, asked = checkpoints(), path_of_data(), options()
    launch.join_processes()
    import jax

    from lamv import evaluate, report
    from lamv.report import table
    from lamv.train.summary import summary_row, values_of

    lines = evaluate.evaluate(WORKDIR.value, which, data_path, options=evaluate.Options(**asked))
    if jax.process_index() != 0:
        return
    ended, stated = evaluate.claims_of(WORKDIR.value)
    for step in dict.fromkeys(line["step"] for line in lines):
        rows: dict[str, list] = {}
        for line in lines:
            if line["step"] == step:
                rows.setdefault(line["row"], []).append(line)
        summaries = [summary_row(name, {}, values_of(of_row)) for name, of_row in rows.items()]
        claims = stated if step == ended else []
        of_step = {"title": f"step {step}", "step": step, "rows": summaries, "claims": claims}
        print(table.as_text(of_step), end="\n\n")
    print(f"report: {report.write(WORKDIR.value)}")


def checkpoints() -> str:
    """--checkpoints, checked; steps in ascending order, as what takes long is done at the last of them."""
    if CHECKPOINTS.value in ("last", "all"):
        return CHECKPOINTS.value
    try:
        steps = [int(part) for part in CHECKPOINTS.value.split(",")]
    except ValueError:
        steps = []
    if not steps or min(steps) < 1 or len(set(steps)) < len(steps):
        raise ConfigError(
            f"--checkpoints is {brief(CHECKPOINTS.value)}, must be last, all, or different steps of 1 or more with"
            " commas between"
        )
    return ",".join(map(str, sorted(steps)))


def path_of_data() -> str | None:
    """--config.data.path, checked."""
    if DATA_PATH.value is None:
        return None
    return paths.local("--config.data.path", DATA_PATH.value, FLAGS["config.data.path"].help)


def options() -> dict:
    """The other flags, checked, by the names of lamv.evaluate.Options; before anything slow is imported."""
    for flag, (needs, others) in IDLE_WITHOUT.items():
        if FLAGS[flag].present and not any(FLAGS[other].value for other in needs):
            raise ConfigError(f"--{flag} is {_given(flag)!r} and would do nothing; {others}")
    if BRIEF.value and FLAGS["classes"].present:
        raise ConfigError(f"--classes is {_given('classes')!r} and would do nothing with --brief; take one away")
    return {
        "brief": BRIEF.value,
        "examples": _at_least(2, "examples", EXAMPLES.value),  # a temperature is not fitted to one
        "classes": _classes(),
        "attacks": _sizes("attack", ATTACK.value),
        "corruptions": _sizes("corruption", CORRUPTION.value),
        "robust_examples": _at_least(1, "robust_examples", ROBUST_EXAMPLES.value),
        "probe": _layers(),
        "transfer": _transfer(),
    }


def _given(flag: str) -> str:
    """A flag as it was given, but no longer than a line."""
    value = FLAGS[flag].value
    text = ",".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _classes() -> tuple[int, ...]:
    try:
        classes = tuple(int(part) for part in CLASSES.value)
    except ValueError:
        classes = ()
    if len(classes) != 3 or len(set(classes)) != 3 or min(classes) < 0:
        raise ConfigError(f"--classes is {_given('classes')!r}, must be three different classes, for example 0,1,2")
    return classes


def _sizes(flag: str, parts: Sequence[str]) -> tuple[float, ...]:
    """Numbers from 0 to 1, different as written in the keys of metrics."""
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        values = ()
    in_range = all(0 <= value <= 1 for value in values)
    if (FLAGS[flag].present and not values) or not in_range or len({f"{v:g}" for v in values}) < len(values):
        raise ConfigError(
            f"--{flag} is {_given(flag)!r}, must be numbers from 0 to 1, all different, with commas between"
        )
    return values


def _layers() -> tuple[str, ...]:
    """Whether they are layers is known later, with the network."""
    layers = tuple(PROBE.value)
    wrong = not all(layers) or len(set(layers)) < len(layers) or ("all" in layers and len(layers) > 1)
    if wrong or (FLAGS["probe"].present and not layers):
        raise ConfigError(
            f"--probe is {_given('probe')!r}, must be different layers with commas between, or all; such as features"
        )
    return layers


def _transfer() -> str:
    """NAME or NAME:PATH, with ~ as a home; or UNSEEN."""
    if not FLAGS["transfer"].present:
        return ""
    from lamv.data import DATASETS
    from lamv.data.classes import UNSEEN

    if TRANSFER.value == UNSEEN:
        return UNSEEN
    name, colon, path = TRANSFER.value.partition(":")
    if name not in DATASETS:
        raise ConfigError(
            f"--transfer is {brief(TRANSFER.value)}, must be {UNSEEN}, or NAME or NAME:PATH with NAME one of"
            f" {', '.join(DATASETS)}{nearest(name, (UNSEEN, *DATASETS))}"
        )
    return f"{name}:{paths.local('the path of --transfer', path)}" if colon else name


def _at_least(low: int, flag: str, value: int | None) -> int | None:
    if value is not None and not low <= value < 2**31:
        raise ConfigError(f"--{flag} is {value}, must be at least {low} and below 2^31")
    return value


if __name__ == "__main__":
    launch.leave(launch.run(main, needs=("workdir",)))
