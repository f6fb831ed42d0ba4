"""Train every row of a recipe with every seed, and report.

    python -m experiments.train --config=configs/digits_tag.py --workdir=runs/demo [--config.KNOB=VALUE ...]
        [--rows='LS*,Mixup']

On several hosts, the same command on each, with --distributed where JAX finds the others by itself (TPU pods, SLURM),
or else --coordinator=HOST:PORT --num_processes=N --process_id=I. The first process writes.

--track=tensorboard,wandb,mlflow,trackio mirrors metrics.jsonl to trackers of experiments while the run goes on.

The same command again goes on where it stopped; a finished workdir is left as it is. A recipe is a Python file and is
run as one: use only those you trust.
"""

from collections.abc import Mapping
from typing import Any

from absl import flags

from experiments import launch
from lamv import places, xla
from lamv.errors import ConfigError

xla.prepare()

CONFIG = launch.define_config("Recipe: a name, such as digits_tag, or a file.")
WORKDIR = flags.DEFINE_string("workdir", None, "Directory for everything that the run writes.")
ROWS = flags.DEFINE_string("rows", "", "Rows of the recipe to train, patterns with commas between, such as 'LS*,Mixup';"
                           " by default all.")  # fmt: skip
TRACK = flags.DEFINE_list("track", [], "Trackers: tensorboard, wandb, mlflow, trackio; commas between.")
launch.define_process_flags()


def knobs(recipe) -> Mapping[str, Any]:
    """The knobs of a recipe for training."""
    from lamv import config

    if "experiment" in recipe:
        raise ConfigError(f"this recipe is an experiment on theory; run it with: {places.called('theory')}")
    return config.KNOB


def main() -> None:
    import jax

    from lamv import report, trackers
    from lamv.report import table
    from lamv.train import loop

    names = trackers.checked("track", TRACK.value)
    launch.join_processes()
    with trackers.Mirror(WORKDIR.value, names) as mirror:
        summary = loop.train(CONFIG.value, WORKDIR.value, launch.overrides(), only=ROWS.value, began=mirror.begin)
        if jax.process_index() == 0:
            mirror.finish()
    if jax.process_index() == 0:
        print(table.as_text(summary))
        print(f"\nreport: {report.write(WORKDIR.value)}")
    if mirror.hangs:
        launch.leave(0, at_once=True)


if __name__ == "__main__":
    launch.leave(launch.run(main, needs=("config", "workdir"), knobs=knobs))
