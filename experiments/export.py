"""Send what a run has logged to trackers of experiments: curves, figures, tables.

    python -m experiments.export --workdir=DIR --to=tensorboard,wandb,mlflow,trackio

Works on old runs, and on those that are still going or were interrupted: the same command again sends what is new.
experiments.train --track does the same while it trains. Needs no jax.
"""

from absl import flags

from experiments import launch

WORKDIR = flags.DEFINE_string("workdir", None, "Directory of a training run.")
TO = flags.DEFINE_list("to", None, "Trackers: tensorboard, wandb, mlflow, trackio; commas between.")


def main() -> None:
    from lamv import trackers

    for name, sent in trackers.export(WORKDIR.value, trackers.checked("to", TO.value)).items():
        print(f"{name}: {sent} points")


if __name__ == "__main__":
    launch.leave(launch.run(main, needs=("workdir", "to")))
