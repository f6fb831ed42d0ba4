"""Run an experiment that sets a theorem, or a published toy result, beside a measurement, and report.

    python -m experiments.theory --config=configs/theory/NAME.py --workdir=DIR [--config.KNOB=VALUE ...]

A check that falls short is a result, not a failure: the exit code is 0, and the last line says how many checks hold. A
finished workdir is left as it is. A recipe is a Python file and is run as one: use only those you trust.
"""

from collections.abc import Mapping
from typing import Any

from absl import flags

from experiments import launch
from lamv import places, xla
from lamv.errors import ConfigError

xla.prepare()

CONFIG = launch.define_config("Recipe: a name, such as theory/two_moons, or a file.")
WORKDIR = flags.DEFINE_string("workdir", None, "Directory for everything that the experiment writes.")
#: An experiment measures its rows together, and its checks compare them: none can be left out.
LACKS = {
    "rows": "--rows is a flag of train: the checks of an experiment on theory compare its rows, so it measures all of"
    " them; leave the flag out, or change what is measured by its knobs, --config.KNOB"
}


def knobs(recipe) -> Mapping[str, Any]:
    """The knobs of the recipe's experiment."""
    from lamv import theory

    if "experiment" not in recipe:
        raise ConfigError(f"this recipe trains networks, it names no experiment; run it with: {places.called('train')}")
    return theory.knobs_of(recipe.experiment)


def main() -> None:
    from lamv import claims, report
    from lamv.report import theory_page
    from lamv.results import experiment
    from lamv.theory import runner

    summary = runner.run(CONFIG.value, WORKDIR.value, launch.overrides())
    print(theory_page.as_text(summary))
    print(f"\nreport: {report.write(WORKDIR.value)}")
    print(claims.tally(experiment.checks_of(summary)))


if __name__ == "__main__":
    launch.leave(launch.run(main, needs=("config", "workdir"), knobs=knobs, lacks=LACKS))
