"""Keeps the results of configs/cifar10/variance_small.py, seed by seed, and writes docs/cifar10.md and its figure.

python -m docs.cifar10 [WORKDIR ...]

Seeds may be trained apart, as each takes an hour of two cores: what experiments.evaluate --checkpoints=all wrote in a
WORKDIR is kept in docs/cifar10/seed_N.json, and the page is made of all seeds that are kept. Claims are those of the recipe,
written after the pilot, seed 0; they are judged on the other seeds, and stand in docs/claims.json too.
"""

import json
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from configs.cifar10.variance_small import get_config
from lamv import places, verify
from lamv.compare.variance import rank_correlation
from lamv.results import runs
from lamv.results.records import Row, Spread, spread
from lamv.verify import stated
from lamv.verify.tables import of_claims

RECIPE = "cifar10/variance_small"
FOLDER = Path(__file__).with_suffix("")
PILOT = 0
FEATURES, OUTPUTS = "test/features", "test/outputs"
#: {metric: (words, factor, decimals)}, in the order of the tables.
SHOWN = {
    "test/error": ("test error, %", 100, 1),
    "train/accuracy": ("accuracy on 1,000 training images, %", 100, 1),
    f"{FEATURES}/within_variance": ("V_W, features", 1, 2),
    f"{FEATURES}/total_variance": ("V_T, features", 1, 2),
    f"{FEATURES}/within_over_mean_square": ("V_W / mean square, features, %", 100, 1),
    f"{FEATURES}/within_over_total": ("V_W / V_T, features, %", 100, 1),
    f"{OUTPUTS}/within_variance": ("V_W, outputs", 1, 3),
    f"{OUTPUTS}/total_variance": ("V_T, outputs", 1, 3),
    f"{OUTPUTS}/within_over_mean_square": ("V_W / mean square, outputs, %", 100, 1),
    f"{OUTPUTS}/within_over_total": ("V_W / V_T, outputs, %", 100, 1),
    "test/collapse/nc1": ("NC1, within-class variability", 1, 2),
    "test/separation": ("separation R²", 1, 3),
    "test/ece": ("ECE, %", 100, 1),
    "test/ece_scaled": ("ECE after scaling, %", 100, 1),
    "test/nll": ("NLL, nats", 1, 3),
}
VARIANCES = [metric for metric in SHOWN if "variance" in metric or "within_over" in metric]
STYLE = {"ERM": "#2b2b33", "LS .1": "#b8431f", "LS .3": "#e2946f", "Mixup": "#3f97a8", "LS .1+Mixup": "#8fc1cc"}

Lines = Sequence[Mapping[str, Any]]


def keep(workdir: Path) -> None:
    """Write what a workdir has of each seed to FOLDER, beside what is kept of another evaluation of that seed."""
    run = runs.read(workdir)
    timing = (workdir / "timing.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = sum(json.loads(line)["seconds"] for line in timing)
    seeds = sorted({line["seed"] for line in run.analysis.lines})
    FOLDER.mkdir(exist_ok=True)
    for seed in seeds:
        path = FOLDER / f"seed_{seed}.json"
        known = json.loads(path.read_text(encoding="utf-8"))["lines"] if path.exists() else []
        lines = {(line["row"], line["step"]): line for line in known}
        for line in run.analysis.lines:
            if line["seed"] == seed:
                new = {key: float(f"{line[key]:.6g}") for key in ("test/accuracy", *SHOWN) if key in line}
                where = {"row": line["row"], "step": line["step"]}
                lines[line["row"], line["step"]] = lines.get((line["row"], line["step"]), where) | new
        about = {"seconds": round(seconds / len(seeds)), "measured": verify.measured(workdir)}
        content = {"seed": seed, **about, "data": run.provenance["data"], "lines": list(lines.values())}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def kept() -> list[dict[str, Any]]:
    """What is kept of each seed: when and on what it was trained, and a line for each row and checkpoint."""
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("seed_*.json")]
    for content in contents:
        content["lines"] = [line | {"test/error": 1 - line["test/accuracy"]} for line in content["lines"]]
    return sorted(contents, key=lambda content: content["seed"])


def lines_of(contents: Iterable[Mapping[str, Any]]) -> dict[int, Lines]:
    """{seed: a line for each row and checkpoint}."""
    return {content["seed"]: content["lines"] for content in contents}


def at(lines: Lines, row: str, step: int) -> Mapping[str, Any]:
    """The line of a row and checkpoint. Raises ValueError where there is none."""
    found = [line for line in lines if (line["row"], line["step"]) == (row, step)]
    if not found:
        raise ValueError(f"a seed lacks row {row} at step {step}: evaluate it with --checkpoints=all")
    return found[0]


def steps_of(seeds: Mapping[int, Lines]) -> list[int]:
    """The checkpoints."""
    return sorted({line["step"] for lines in seeds.values() for line in lines})


def as_rows(seeds: Mapping[int, Lines]) -> dict[str, Row]:
    """The rows at the last checkpoint, as lamv.compare takes them."""
    rows = {}
    for name in get_config().rows:
        own = [at(lines, name, steps_of(seeds)[-1]) for lines in seeds.values()]
        keys = [key for key in ("test/accuracy", *SHOWN) if all(key in line for line in own)]
        metrics = {key: spread([line[key] for line in own]) for key in keys}
        rows[name] = Row(name, {}, metrics, seeds=dict.fromkeys(metrics, tuple(seeds)))
    return rows


def number(over_seeds: Spread, factor: float, decimals: int) -> str:
    """ "12.3 ± 0.4", or "12.3" for one seed."""
    sd = "" if over_seeds.sd is None else f" ± {factor * over_seeds.sd:.{decimals}f}"
    return f"{factor * over_seeds.mean:.{decimals}f}{sd}"


def table(seeds: Mapping[int, Lines]) -> list[str]:
    """The rows at the last checkpoint."""
    rows = as_rows(seeds)
    lines = [f"| | {' | '.join(rows)} |", f"|---|{'---|' * len(rows)}"]
    for key, (words, factor, decimals) in SHOWN.items():
        if any(key not in row.metrics for row in rows.values()):
            continue  # of a full evaluation, where there was a brief one
        cells = [number(row.metrics[key], factor, decimals) for row in rows.values()]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return lines


def correlations(seeds: Mapping[int, Lines]) -> dict[str, dict[str, list[float]]]:
    """{variance: {over what: Spearman's correlation with the test error, a number a seed}}.

    Over the losses at the last checkpoint, over the checkpoints of each loss (their mean), and over all.
    """
    steps, names = steps_of(seeds), list(get_config().rows)
    found: dict[str, dict[str, list[float]]] = {}
    for key in VARIANCES:
        own = found[key] = {"losses": [], "checkpoints": [], "all": []}
        for lines in seeds.values():
            pairs = {(n, s): (at(lines, n, s)[key], at(lines, n, s)["test/error"]) for n in names for s in steps}
            own["losses"].append(_rho([pairs[name, steps[-1]] for name in names]))
            own["checkpoints"].append(statistics.fmean(_rho([pairs[name, step] for step in steps]) for name in names))
            own["all"].append(_rho(list(pairs.values())))
    return found


def _rho(pairs: Sequence[tuple[float, float]]) -> float:
    rho = rank_correlation(*zip(*pairs, strict=True))
    return math.nan if rho is None else rho


def correlation_table(seeds: Mapping[int, Lines]) -> list[str]:
    lines = ["| | 5 losses, last checkpoint | 8 checkpoints of a loss, mean of 5 | all 40 |", "|---|---|---|---|"]
    for key, own in correlations(seeds).items():
        lines.append(f"| {SHOWN[key][0]} | {' | '.join(number(spread(values), 1, 2) for values in own.values())} |")
    return lines


def draw(seeds: Mapping[int, Lines]) -> None:
    """Error over variance along training: each line is a loss, its last point the end."""
    steps = steps_of(seeds)
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.4), sharey=True, layout="constrained")
    keys = [f"{where}/{what}" for where in (FEATURES, OUTPUTS) for what in ("within_variance", "within_over_total")]
    for axis, key in zip(axes, keys, strict=True):
        words, factor, _ = SHOWN[key]
        for name in get_config().rows:
            x = [statistics.fmean(factor * at(lines, name, step)[key] for lines in seeds.values()) for step in steps]
            y = [
                statistics.fmean(100 * at(lines, name, step)["test/error"] for lines in seeds.values())
                for step in steps
            ]
            axis.plot(x, y, color=STYLE[name], linewidth=1.2, marker=".", markersize=4)
            axis.plot(x[-1:], y[-1:], color=STYLE[name], marker="o", label=name)
        axis.set_xlabel(words)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("test error, %")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(FOLDER.with_suffix(".png"), dpi=110)


def fresh(seeds: Mapping[int, Lines]) -> dict[int, Lines]:
    """The seeds on which claims are judged: all but the pilot; {} for a single one, which tells nothing from chance."""
    others = {seed: lines for seed, lines in seeds.items() if seed != PILOT}
    return others if len(others) > 1 else {}


def entry(contents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The recipe as claims.json holds it: its claims, and the numbers that documents state of all seeds."""
    seeds = lines_of(contents)
    correlated = [
        Row(f"rank correlation with the test error: {over}", {}, {key: spread(own[over])})
        for key, own in correlations(seeds).items()
        for over in own
    ]
    numbers = stated.of(RECIPE, stated.everywhere())
    rows, claimed = as_rows(seeds), as_rows(fresh(seeds))
    return {
        "recipe": RECIPE, "seconds": sum(content["seconds"] for content in contents), "read": True, "not_run": "",
        "measured": contents[-1]["measured"], "claims": verify.claims_on(get_config(), claimed),
        "stated": stated.found(numbers, [*rows.values(), *claimed.values(), *correlated]),
    }  # fmt: skip


def tables(seeds: Mapping[int, Lines]) -> dict[str, list[str]]:
    """The lines of each table of the page."""
    claims = "They wait for two seeds beside the pilot."
    if fresh(seeds):
        claims = of_claims(verify.claims_on(get_config(), as_rows(fresh(seeds))))
    return {"numbers": table(seeds), "correlations": correlation_table(seeds), "claims": claims.split("\n")}


def written(text: str, seeds: Mapping[int, Lines]) -> str:
    """The page with each table in its place."""
    for name, lines in tables(seeds).items():
        begin, end = f"<!-- {name}: made by docs/cifar10.py -->\n", "\n<!-- end -->"
        before, _, rest = text.partition(begin)
        text = before + begin + "\n".join(["", *lines, ""]) + end + rest.partition(end)[2]
    return text


def main(workdirs: Sequence[str]) -> None:
    for workdir in workdirs:
        keep(Path(workdir))
    page = FOLDER.with_suffix(".md")
    contents = kept()
    seeds = lines_of(contents)
    page.write_text(written(page.read_text(encoding="utf-8"), seeds), encoding="utf-8")
    draw(seeds)
    if fresh(seeds):
        verify.enter(entry(contents), places.RECORD)


if __name__ == "__main__":
    main(sys.argv[1:])
