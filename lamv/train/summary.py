"""summary.json: mean, sd, n and values of every metric of every row, and the claims of the recipe, judged.

It is made from the recipe and the other files of a workdir, so that it can be made again.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from lamv import claims, files
from lamv import config as configs
from lamv.train import selection


def of_run(
    run: Mapping[str, Any],
    overrides: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    reading: Mapping[str, Any],
    notes: Sequence[str],
) -> dict[str, Any]:
    """The summary of a finished run.

    run: lamv.config.snapshot. overrides: what the command line set. lines: of its metrics.jsonl. reading: what was read
    (lamv.data.description). notes: of the mitigations (lamv.train.mitigations).
    """
    measured: dict[tuple[str, int], list[Mapping]] = {}
    for line in lines:
        measured.setdefault((line["row"], line["replica"]), []).append(line)
    rows: list[dict[str, Any]] = []
    for row, stored in zip(configs.rows_of(run, {}), run["rows"], strict=True):
        lines_of_seeds = [measured[row.name, replica] for replica in range(row.config.seeds)]
        chosen = [
            selection.selected(lines, row.config.select, selection.counts_after(row.config, lines[-1]["step"]))
            for lines in lines_of_seeds
        ]
        selected = {} if row.config.select.rule == "last" else {"selected": [line["step"] for line in chosen]}
        rows.append(summary_row(row.name, stored["config"], values_of(chosen)) | selected)
    # A claim speaks of the recipe as it stands: with other settings it is listed, but not judged.
    kept = all(configs.KNOB[key].free or key in ("seed", "seeds") for key in overrides if key in configs.KNOB)
    means = {(row["name"], metric): spread["mean"] for row in rows for metric, spread in row["metrics"].items()}
    judged = claims.judged(run["claims"], lambda row, metric: means.get((row, metric))) if kept else []
    made = {
        "title": run["title"], "overrides": dict(overrides), "data": dict(reading), "notes": list(notes), "rows": rows,
        "claims": judged,
    }  # fmt: skip
    return {**made, "self": files.hash_of(made)}


def is_whole(summary: Mapping[str, Any]) -> bool:
    """Whether a summary that was read is as it was written."""
    return {"data", "notes", "rows"} <= summary.keys() and summary.get("self") == files.hash_of(summary)


def digest(summary: Mapping[str, Any]) -> str:
    """sha256 of what the run came to; knobs that change nothing learned, and claims, are not part of it."""
    rows = [{key: value for key, value in row.items() if key != "config"} for row in summary["rows"]]
    return files.hash_of({"data": summary["data"], "notes": summary["notes"], "rows": rows})


def summary_row(name: str, config: Mapping[str, Any], values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """A row of summary.json: for every metric mean, sd (n - 1 in the denominator; null for n = 1), n and the values."""
    return {"name": name, "config": config, "metrics": {metric: spread(list(v)) for metric, v in values.items()}}


def values_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The metrics that all of these lines have, one line a seed: {metric: values}.

    A group may have no test example in some seeds: then it has no accuracy there.
    """
    common = [key for key in lines[0] if "/" in key and all(key in line for line in lines)]
    return {key: [line[key] for line in lines] for key in common}


def spread(values: list[float]) -> dict[str, Any]:
    """mean, sd, n and values; of values that are not all finite, mean NaN and no sd."""
    if not all(map(math.isfinite, values)):  # which the statistics module fails on
        return {"mean": math.nan, "sd": None, "n": len(values), "values": values}
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values), "values": values}
