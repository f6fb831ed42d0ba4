"""Train recipes, or read their workdirs, and judge every claim they make.

    python -m experiments.verify [RECIPE ...] [--quick] [--all] [--runs=DIR] [--out=claims.json [--update]]
    python -m experiments.verify --papers

Without names: the recipes that docs/claims.json has, or with --quick those of them that took a minute or less; with --all
every recipe that there is, also those that take days on this machine. What is finished in --runs is read and not trained
again. claims.md beside --out has the same as tables; with --update both keep what they have of other recipes. Exit code 1
if a claim misses. --papers lists what each paper reports, with the command for it, what it took and what came out, and what
is not reproduced; nothing is run. docs/papers.md has that too, and is written anew with --out=docs/claims.json.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from absl import flags

from experiments import launch
from lamv import places, recipes, xla
from lamv.errors import ClaimMissed, ConfigError

xla.prepare()

QUICK = flags.DEFINE_bool("quick", False, "Only recipes that took a minute or less when they were last recorded.")
ALL = flags.DEFINE_bool("all", False, "Every recipe.")
PAPERS = flags.DEFINE_bool("papers", False, "List papers and the commands for what they report; run nothing.")
RUNS = flags.DEFINE_string("runs", "runs/verify", "Folder with a workdir for every recipe.")
OUT = flags.DEFINE_string("out", "claims.json", "What is written; its tables lie beside it, in .md.")
UPDATE = flags.DEFINE_bool("update", False, "Keep what --out has of recipes that are not judged now.")
#: Seconds that a quick recipe takes at most.
MINUTE = 60.0
logger = logging.getLogger("lamv.verify")


def main(names: list[str]) -> None:
    if PAPERS.value:
        from lamv.verify import tables

        return launch.show(tables.of_papers(recorded()))
    if names and (ALL.value or QUICK.value):
        raise ConfigError(
            f"{names[0]} is a recipe, and --{'all' if ALL.value else 'quick'} chooses others; give one of them"
        )
    if not OUT.value.endswith(".json"):
        raise ConfigError(f"--out is {OUT.value!r}, must end in .json; its tables lie beside it, in .md")
    names = names or chosen()
    for name in names:
        recipes.load_any(name)  # a mistake shows before hours of training
    from lamv import verify
    from lamv.verify import tables

    known = seconds()
    logger.info("%d recipes; %s", len(names), _cost([known.get(name) for name in names]))
    content = verify.verify(names, Path(RUNS.value), Path(OUT.value), UPDATE.value)
    print(tables.as_markdown(content))
    if content["missed"]:
        raise ClaimMissed(f"{tables.totals(content)}; {OUT.value} has them")


def _cost(known: list[float | None]) -> str:
    """What they took when they were recorded, before they are run."""
    minutes = sum(taken or 0.0 for taken in known) / 60
    unknown = known.count(None)
    took = f"{minutes:.0f} minutes when they were recorded (docs/claims.md)" if unknown < len(known) else ""
    return "; ".join(filter(None, [took, f"of {unknown} it is not known how long they take" if unknown else ""]))


def recorded() -> dict[str, Any]:
    """The content of docs/claims.json; {} where there is none."""
    return json.loads(places.RECORD.read_text(encoding="utf-8")) if places.RECORD.is_file() else {}


def seconds() -> dict[str, float | None]:
    """{recipe: what it took} of the recipes that are recorded."""
    return {one["recipe"]: one["seconds"] for one in recorded().get("recipes", []) if not one["not_run"]}


def chosen() -> list[str]:
    """The recipes that the flags choose."""
    if ALL.value:
        return list(places.recipes())
    known = seconds()
    if not known:
        raise ConfigError("there is no docs/claims.json to take recipes from; name some, or give --all")
    return [name for name, taken in known.items() if not QUICK.value or (taken is not None and taken <= MINUTE)]


if __name__ == "__main__":
    words, given = launch.words(sys.argv)
    launch.leave(launch.run(lambda: main(words), needs=(), argv=given))
