"""Train every row of a recipe with every seed, and report.

    python -m experiments.train --config=configs/digits_tag.py --workdir=runs/demo [--config.KNOB=VALUE ...]

The same command again goes on where it stopped; a finished workdir is left as it is. A recipe is a Python file and is
run as one: use only those you trust.
"""

import sys

from absl import flags

from experiments import launch

launch.use_fast_convolutions()

from ml_collections import config_flags  # noqa: E402

CONFIG = config_flags.DEFINE_config_file("config", None, "Recipe: a file in configs/.", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "Directory for everything that the run writes.")


def main() -> None:
    from lamv.study import report, table
    from lamv.train import loop

    overrides = config_flags.get_override_values(flags.FLAGS["config"])
    summary = loop.train(CONFIG.value, WORKDIR.value, overrides)
    print(table.as_text(summary))
    print(f"\nreport: {report.write(WORKDIR.value)}")


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=("config", "workdir")))
