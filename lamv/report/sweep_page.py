"""The page of a sweep, from the content of its sweep.json: the chosen cell, effects of knobs, all cells, logs. No jax."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamv.catalog import metrics, words
from lamv.catalog.metrics import WORST_GROUP
from lamv.catalog.model_selection import RULES
from lamv.compare import effects
from lamv.report import page, plain_table
from lamv.report.figures import style, sweeps
from lamv.report.figures.style import Drawn
from lamv.report.figures.sweeps import Scale
from lamv.report.numbers import first_of, text_table
from lamv.report.page import Heading, PageTable
from lamv.report.table import Cell

FILE = "sweep.html"
#: Shown beside the metric that chooses, as far as they were measured.
BESIDE = ("test/accuracy", f"test/{WORST_GROUP}", "test_random/accuracy", "test/rmse")
#: Rows of the table on the page, and heat maps.
MOST, MAPS = 200, 2
STATUS = {"done": "", "failed": "failed", "waiting": "not trained yet"}


def write(workdir: Path, content: Mapping[str, Any]) -> Path:
    """sweep.html, and its table as sweep.md and sweep.tex; raises as files.write_whole does."""
    path = workdir / FILE
    table = cell_table(content, by_knob=True)
    title = f"Sweep: {content['title']}"
    page.save(path.with_suffix(".md"), plain_table.markdown(title, table))
    page.save(path.with_suffix(".tex"), plain_table.latex(title, table))
    return page.save(path, page.render("sweep.html.j2", page_content(workdir, content)))


def as_text(content: Mapping[str, Any]) -> str:
    """The table and the choice for a terminal."""
    table = cell_table(content)
    texts = [[head.name for head in table.headings]]
    texts += [[" ".join(filter(None, [cell.mean, cell.sd and f"± {cell.sd}"])) for cell in row] for row in table.rows]
    return "\n".join([*text_table([list(column) for column in zip(*texts, strict=True)]), "", *sentences(content)])


def page_content(workdir: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that sweep.html.j2 shows."""
    cells = content["cells"]
    metric = metric_of(content)
    table = cell_table(content)
    measured = [one for cell in cells if (one := effects.value(cell, metric)) is not None]
    knobs = effects.knobs_of([cell for cell in cells if effects.value(cell, metric) is not None], list(content["axes"]))
    found = [effects.effect(cells, knob, metric) for knob in knobs]
    found = sorted((one for one in found if one.share is not None), key=lambda one: -(one.share or 0))
    pairs = effects.interactions(cells, knobs, metric)
    return {
        "title": content["title"],
        "sentences": sentences(content),
        "final": _final_table(content),
        "figures": _figures(cells, knobs, found, pairs, metric, measured),
        "effects": _effect_table(found, pairs, metric, measured),
        "table": table._replace(rows=table.rows[:MOST], caption=table.caption + first_of(MOST, len(cells), "cells")),
        "failed": [cell for cell in cells if cell["status"] == "failed"],
        "programs": _programs(workdir, content),
        "command": content["command"],
        "terms": metrics.terms([metric, *_shown(content)]),
    }  # fmt: skip


def metric_of(content: Mapping[str, Any]) -> str:
    """The metric of the figures: that of the choice, else the first that was measured."""
    shown = _shown(content)
    return content["select"]["metric"] or (shown[0] if shown else BESIDE[0])


def sentences(content: Mapping[str, Any]) -> list[str]:
    """What was chosen, what was tried, and what the choice came to with other seeds."""
    rule, metric = content["select"]["rule"], content["select"]["metric"]
    count = {status: sum(cell["status"] == status for cell in content["cells"]) for status in STATUS}
    tried = "1 cell was tried" if content["tried"] == 1 else f"{content['tried']} cells were tried"
    tried += f", of which {count['failed']} failed" if count["failed"] else ""
    tried += f"; {count['waiting']} are not trained yet." if count["waiting"] else "."
    best = next((cell for cell in content["cells"] if cell["id"] == content["best"]), None)
    if best is None:
        return ["No cell is chosen." if rule == "none" else f"No cell has {metric} to choose by.", tried]
    order = "lowest" if content["select"]["lowest"] else "highest"
    alike = [cell for cell in content["cells"] if effects.value(cell, metric) == effects.value(best, metric)]
    ties = [f"{len(alike)} cells have this mean, and the first of them is taken."] if len(alike) > 1 else []
    chosen = f"Best is {best['name']}, with the {order} mean {_words(metric)}: {_spread(best, metric)}."
    oracle = ["This choice is an ORACLE: it looks at the test set."] if rule in RULES and RULES[rule].is_oracle else []
    return [chosen, tried, *ties, *oracle, *_final(content, metric)]


def cell_table(content: Mapping[str, Any], by_knob: bool = False) -> PageTable:
    """All cells, the best first, with their metrics. by_knob: a column for each knob in the place of the name."""
    metric, cells = metric_of(content), content["cells"]
    shown = list(dict.fromkeys([metric, *_shown(content)]))
    sign = 1 if content["select"]["lowest"] else -1
    scales = {one: _scale(one, cells) for one in shown}
    knobs = [knob for knob in (effects.ROW, *content["axes"]) if any(effects.setting(cell, knob) for cell in cells)]
    rows = []
    for cell in sorted(cells, key=lambda cell: _order(cell, metric, sign)):
        values = [effects.setting(cell, knob) for knob in knobs]
        head = [Cell("" if value is None else words.plain(value)) for value in values]
        if not by_knob:
            head = [Cell(cell["name"], note="chosen" if cell["id"] == content["best"] else STATUS[cell["status"]])]
        rows.append([*head, *(_cell(cell, one, scales[one]) for one in shown)])
    first = [Heading(knob, text=True) for knob in knobs] if by_knob else [Heading("", text=True)]
    headings = [*first, *(Heading(scales[one].name) for one in shown)]
    return PageTable(
        headings, rows, "Mean ± sd over the seeds of a cell." + by_knob * " An empty knob does nothing there."
    )


def _order(cell: Mapping[str, Any], metric: str, sign: int) -> tuple:
    """The best first; then those that failed, and those that wait."""
    value = effects.value(cell, metric)
    return value is None, list(STATUS).index(cell["status"]), sign * (value or 0.0)


def _final(content: Mapping[str, Any], metric: str) -> list[str]:
    """What the chosen cell came to with other seeds."""
    final = content["final"]
    if not final:
        return []
    first, number = final["seeds"]
    seeds = f"with {number} other seeds ({first} to {first + number - 1})"
    if final["status"] == "done":
        return [
            f"Trained again {seeds}, it has {_spread(final, metric)}. These seeds had no part in the choice; the number that"
            " it was chosen by is too good on average, being the best of many."
        ]
    return [
        f"Its training {seeds} {'failed: ' + final['error'] if final['status'] == 'failed' else 'is not done yet'}."
    ]


def _final_table(content: Mapping[str, Any]) -> PageTable | None:
    """The chosen cell: its numbers in the sweep, and with other seeds."""
    final = content["final"]
    best = next((cell for cell in content["cells"] if cell["id"] == content["best"]), None)
    if best is None or not final or final["status"] != "done":
        return None
    shown = dict.fromkeys([metric_of(content), *_shown(content)])
    rows = [
        [Cell(_name(one)), *(_cell(cell, one, _scale(one, [best])) for cell in (best, final))]
        for one in shown if one in final["metrics"]
    ]  # fmt: skip
    counts = [cell["metrics"][metric_of(content)]["n"] for cell in (best, final)]
    headings = [
        Heading(""),
        Heading("when chosen", f"n = {counts[0]}"),
        Heading("with other seeds", f"n = {counts[1]}"),
    ]
    return PageTable(headings, rows, "Mean ± sd over seeds.")


def _figures(cells, knobs, found, pairs, metric: str, measured: Sequence[float]) -> list[Drawn]:
    if len(set(measured)) < 2:  # nothing that a knob could have done
        return []
    scale = Scale(_name(metric), _percent(metric), measured)
    with style.drawing():
        drawn = [sweeps.by_method(cells, knobs, metric, scale), sweeps.marginal(found, scale)]
        drawn += [sweeps.together(pair, scale, number) for number, pair in enumerate(pairs[:MAPS])]
    return [one for one in drawn if one]


def _effect_table(found, pairs, metric: str, measured: Sequence[float]) -> PageTable | None:
    """Each knob: its share of the variance, best level, and the knob that it depends on most."""
    if not found:
        return None
    scale = Scale(_name(metric), _percent(metric), measured)
    rows = []
    for one in found:
        spread = max(one.means) - min(one.means)
        of = next((pair for pair in pairs if one.knob in (pair.first.knob, pair.second.knob)), None)
        other = "" if of is None else of.second.knob if of.first.knob == one.knob else of.first.knob
        rows.append([
            Cell(one.knob), Cell(f"{100 * (one.share or 0):.0f}"), Cell(scale.text(spread)),
            Cell(f"{other} ({scale.text(of.rms)})" if of else ""),
        ])  # fmt: skip
    headings = [
        Heading("knob"), Heading("share of variance, %", "between cells"), Heading("largest − smallest mean"),
        Heading("depends most on", "and by how much", text=True),
    ]  # fmt: skip
    caption = (
        f"Of {scale.name}. Share: how much of the variance over cells lies between the values of the knob. Depends: what the"
        " sum of two marginal effects leaves (root mean square), for pairs of which every combination was measured."
    )
    return PageTable(headings, rows, caption)


def _programs(workdir: Path, content: Mapping[str, Any]) -> list[dict[str, str]]:
    """Of each program its cells and a link to its log."""
    ended = [*content["cells"], *([content["final"]] if content["final"] else [])]
    by: dict[str, list[Mapping[str, Any]]] = {}
    for cell in ended:
        if cell["program"]:
            by.setdefault(cell["program"], []).append(cell)
    return [
        {
            "id": program, "status": cells[0]["status"], "cells": ", ".join(cell["name"] for cell in cells[:5])
            + (f" and {len(cells) - 5} more" if len(cells) > 5 else ""),
            "log": page.link_to(workdir / "programs" / program / "log.txt", workdir / FILE),
        }
        for program, cells in by.items()
    ]  # fmt: skip


def _shown(content: Mapping[str, Any]) -> list[str]:
    return [metric for metric in BESIDE if any(metric in cell["metrics"] for cell in content["cells"])]


def _scale(metric: str, cells: Sequence[Mapping[str, Any]]) -> Scale:
    return Scale(
        _name(metric), _percent(metric), [one for cell in cells if (one := effects.value(cell, metric)) is not None]
    )


def _cell(cell: Mapping[str, Any], metric: str, scale: Scale) -> Cell:
    if metric not in cell["metrics"]:
        return Cell()
    of = cell["metrics"][metric]
    return Cell(scale.text(of["mean"]), "" if of["sd"] is None else scale.text(of["sd"]))


def _spread(cell: Mapping[str, Any], metric: str) -> str:
    """ "91.2 ± 0.5 % (n = 3)"."""
    if metric not in cell["metrics"]:
        return "not measured"
    shown = _cell(cell, metric, _scale(metric, [cell]))
    sd = f" ± {shown.sd}" if shown.sd else ""
    return f"{shown.mean}{sd}{' %' * _percent(metric)} (n = {cell['metrics'][metric]['n']})"


def _percent(metric: str) -> bool:
    entry = metrics.entry_of(metric)
    return bool(entry and entry.percent)


def _words(metric: str) -> str:
    """ "validation accuracy"."""
    return _name(metric).removesuffix(", %")


def _name(metric: str) -> str:
    """ "validation accuracy, %"."""
    entry, split = metrics.entry_of(metric), metric.partition("/")[0]
    if entry is None:
        return metric
    name = entry.name if not entry.percent or "%" in entry.name else f"{entry.name}, %"
    return f"{metrics.SPLIT_NAMES.get(split, split)} {name}"
