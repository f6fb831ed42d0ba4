"""summary.json: mean, sd, n and values of every metric of every row, and the claims of the recipe, judged.

It is made from the recipe and the other files of a workdir, so that it can be made again. A row's numbers are of the last
step, or of the one that a validation split finds best (`selected`): a rule reads the lines of metrics.jsonl alone, so it
changes nothing of the training, in which all seeds go on to the end.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from lamv import claims, files
from lamv import config as configs
from lamv.catalog import mitigations
from lamv.catalog.model_selection import RULES

Record = Mapping[str, Any]


def of_run(
    run: Record, overrides: Record, lines: Sequence[Record], reading: Record, notes: Sequence[str]
) -> dict[str, Any]:
    """The summary of a finished run.

    run: lamv.config.snapshot. overrides: what the command line set. lines: of its metrics.jsonl. reading: of
    lamv.data.description. notes: of the mitigations.
    """
    measured: dict[tuple[str, int], list[Record]] = {}
    for line in lines:
        measured.setdefault((line["row"], line["replica"]), []).append(line)
    rows: list[dict[str, Any]] = []
    for row, stored in zip(configs.rows_of(run, {}), run["rows"], strict=True):
        of_seeds = [measured[row.name, replica] for replica in range(row.config.seeds)]
        chosen = [selected(own, row.config.select, counts_after(row.config, own[-1]["step"])) for own in of_seeds]
        rows.append(summary_row(row.name, stored["config"], values_of(chosen)))
        if row.config.select.rule != "last":
            rows[-1]["selected"] = [line["step"] for line in chosen]
    # A claim speaks of the recipe as it stands: with other settings it is listed, but not judged.
    kept = all(configs.KNOB[key].free or key in ("seed", "seeds") for key in overrides if key in configs.KNOB)
    means = {(row["name"], metric): spread["mean"] for row in rows for metric, spread in row["metrics"].items()}
    judged = claims.judged(run["claims"], lambda row, metric: means.get((row, metric))) if kept else []
    made = {
        "title": run["title"], "overrides": dict(overrides), "data": dict(reading), "notes": list(notes), "rows": rows,
        "claims": judged,
    }  # fmt: skip
    return {**made, "self": files.hash_of(made)}


def is_whole(summary: Record) -> bool:
    """Whether a summary that was read is as it was written."""
    return {"data", "notes", "rows"} <= summary.keys() and summary.get("self") == files.hash_of(summary)


def digest(summary: Record) -> str:
    """sha256 of the results; knobs that change nothing learned, and claims, are not part of it."""
    rows = [{key: value for key, value in row.items() if key != "config"} for row in summary["rows"]]
    return files.hash_of({"data": summary["data"], "notes": summary["notes"], "rows": rows})


def summary_row(name: str, config: Record, values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """A row of summary.json; see `spread`."""
    return {"name": name, "config": config, "metrics": {metric: spread(list(v)) for metric, v in values.items()}}


def values_of(lines: Sequence[Record]) -> dict[str, list[float]]:
    """The metrics that all of these lines have, one line a seed: {metric: values}.

    A group may have no test example in some seeds: then it has no accuracy there.
    """
    common = [key for key in lines[0] if "/" in key and all(key in line for line in lines)]
    return {key: [line[key] for line in lines] for key in common}


def spread(values: list[float]) -> dict[str, Any]:
    """mean, sd (n - 1 in the denominator; None for n = 1), n and values; not all finite: mean NaN and no sd."""
    if not all(map(math.isfinite, values)):  # which the statistics module fails on
        return {"mean": math.nan, "sd": None, "n": len(values), "values": values}
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values), "values": values}


def selected(lines: Sequence[Record], select, first_step: int = 0) -> Record:
    """The line of a replica's, in order, that its numbers are taken from; of equally good ones the first.

    select: the knobs rule and patience; evaluations after `patience` ones without a better one do not count. first_step:
    lines up to and with it do not count either.
    """
    metric = RULES[select.rule].metric
    if not metric:
        return lines[-1]
    best, since = {}, 0
    for line in lines:
        if line["step"] <= first_step or metric not in line:
            continue
        if not best or line[metric] > best[metric]:
            best, since = line, 0
        else:
            since += 1
            if since == select.patience:
                break
    return best


def counts_after(config, last: int) -> int:
    """The last step at which the network is not yet that of the row: of a first stage, or before a refit after `last`."""
    return last - 1 if mitigations.of(config).refits else mitigations.knob_of(config, "first_steps", 0)
