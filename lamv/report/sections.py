"""What the page of a run shows of groups, of mitigations and of doses: figures with their sentences and tables.

Each part is there for runs that have the rows for it: groups where a test split has any, methods by mitigations where rows
are a grid of them, doses where rows differ in a number about the cue.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from lamv.catalog import glossary
from lamv.catalog.glossary import Term
from lamv.compare import doses, grids, group_tables
from lamv.report import shortcut_figures
from lamv.report.figures import Drawn
from lamv.report.variance_figures import drawn
from lamv.results.runs import Run

#: Of a cell of a table of groups, at accuracies 0 and 1; ink can be read on either.
DARK, LIGHT = (0xE3, 0x9A, 0x6B), (0xFF, 0xFF, 0xFF)


class Sections(NamedTuple):
    """content: what report.html.j2 asks for. terms: words of these sections that a reader may not know."""

    content: dict[str, Any]
    terms: Sequence[Term]

    @property
    def figures(self) -> list[Drawn]:
        """Those that put many rows together: over doses, and by method and mitigation."""
        return [*self.content["doses"]["figures"], *(one for grid in self.content["grids"] for one in grid["figures"])]


def of(run: Run) -> Sections:
    section, crossed, panels = group_tables.of(run), grids.of(run.rows), doses.of(run.rows)
    content = {
        "section": section,
        "shade": shade,
        "group_figures": drawn(partial(shortcut_figures.many_groups, section)),
        "grids": [_grid(grid, number) for number, grid in enumerate(crossed)],
        "doses": _doses(panels),
    }
    terms = [glossary.INTERVAL] if section else []
    terms += [glossary.REPAIR] if crossed else []
    return Sections(content, [*terms, *((glossary.DOSE, glossary.CROSSING) if panels else ())])


def shade(share: float | None) -> str:
    """The colour of a cell: the lower the accuracy, the darker; none where there is no number."""
    if share is None:
        return "transparent"
    share = min(max(share, 0.0), 1.0)
    return "#" + "".join(f"{round(d + (v - d) * share):02x}" for d, v in zip(DARK, LIGHT, strict=True))


def _grid(grid: grids.Grid, number: int) -> dict[str, Any]:
    """The figure, and for each measure (what it is, a sentence on each method that loses)."""
    said = [
        (words, [grids.in_words(one) for one in grids.repairs(grid, metric)]) for metric, words in grids.measures(grid)
    ]
    return {
        "figures": drawn(partial(shortcut_figures.method_by_mitigation, grid, number)),
        "said": [(words, sentences) for words, sentences in said if sentences],
    }


def _doses(panels: Sequence[doses.Panel]) -> dict[str, Any]:
    """The figure, and where each method crosses ERM: (dose, [(method, phrases)]) of each panel."""
    crossings = []
    for panel in panels:
        if panel.baseline:
            lines = [(curve.name, doses.in_words(curve, panel.baseline)) for curve in panel.curves if not curve.erm]
            crossings.append((", ".join(part for part in (panel.words, panel.fixed) if part), lines))
    return {"figures": drawn(partial(shortcut_figures.dose_response, panels)), "crossings": crossings}
