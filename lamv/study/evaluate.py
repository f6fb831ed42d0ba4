"""The metrics of a trained model, from its workdir alone: every number of a run can be had again from its checkpoints."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamv import config as configs
from lamv.errors import CheckpointError, ConfigError, DataError
from lamv.train.checkpoint import Checkpoints
from lamv.train.parallel import is_main_process
from lamv.train.rows import Bench, RowRun
from lamv.train.tracking import write_whole


def evaluate(
    workdir: str | Path, which: str = "last", data_path: str | None = None, devices: Sequence | None = None
) -> list[dict[str, Any]]:
    """Metrics of every row and seed on every split, the training set included; also written to evaluation.jsonl.

    which: "last", "all", or steps with commas between. data_path: where the data lies now, if not where it was. The run
    may be going on, and may have been trained on other devices. Raises LamvError's subclasses.
    """
    workdir = Path(workdir)
    try:
        run = json.loads((workdir / "config.json").read_text())
    except (OSError, ValueError):
        raise DataError(f"{workdir} has no readable config.json; give the --workdir of a run") from None
    if "experiment" in run:
        raise DataError(
            f"{workdir} is that of the experiment {run['experiment']!r}, which has no checkpoints; give the --workdir of a"
            " training run"
        )
    rows = configs.rows_of(run, {"data.path": data_path} if data_path else {})
    checkpoints = Checkpoints.reading(workdir / "checkpoints", configs.fingerprint(run), [row.name for row in rows])
    steps = _chosen(which, checkpoints.steps(), workdir)
    bench = Bench(rows, devices)
    row_runs = [RowRun(row, bench) for row in rows]
    lines = []
    for step in steps:
        tree = checkpoints.read(step)
        for number, row in enumerate(row_runs):
            row.load(tree[str(number)])
            for replica, found in enumerate(row.evaluate()):
                seed = row.config.seed + replica
                lines.append({"step": step, "row": row.name, "replica": replica, "seed": seed, **found})
    if is_main_process():
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        write_whole(workdir / "evaluation.jsonl", text)
    return lines


def _chosen(which: str, steps: list[int], workdir: Path) -> list[int]:
    if not steps:
        raise CheckpointError(f"{workdir} has no checkpoints; train first, or give another --workdir")
    if which in ("last", "all"):
        return steps if which == "all" else steps[-1:]
    try:
        asked = [int(part) for part in which.split(",")]
    except ValueError:
        asked = [None]
    if not set(asked) <= set(steps):
        raise ConfigError(f"--checkpoints is {which!r}, must be last, all, or some of {steps} with commas between")
    return asked
