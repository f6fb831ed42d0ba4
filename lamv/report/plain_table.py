"""One table of a page as Markdown and as LaTeX: cells are texts, or mean ± sd."""

from collections.abc import Callable

from lamv.report.export import FIT, TEX_HEAD, md, tex
from lamv.report.page import PageTable
from lamv.report.table import Cell


def markdown(title: str, table: PageTable) -> str:
    """One table whose cells are texts or mean ± sd, as Markdown."""
    lines = [f"# {md(title)}", "", "| " + " | ".join(md(head.name) for head in table.headings) + " |"]
    lines.append("|---|" + "".join("---|" if head.text else "---:|" for head in table.headings[1:]))
    for row in table.rows:
        lines.append("| " + " | ".join(_escaped(cell, md, " ± ") for cell in row) + " |")
    return "\n".join([*lines, "", md(table.caption)]) + "\n"


def latex(title: str, table: PageTable) -> str:
    """As `markdown`, for LaTeX."""
    columns = "l" + "".join("l" if head.text else "r" for head in table.headings[1:])
    lines = [TEX_HEAD.replace("report", "sweep"), r"\begin{table}[htbp]", r"\centering\small"]
    lines += [
        rf"\caption{{{tex(f'{title}. {table.caption}')}}}",
        FIT + rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
    ]
    lines += [" & ".join(tex(head.name) for head in table.headings) + r" \\", r"\midrule"]
    for row in table.rows:
        lines.append(" & ".join(_escaped(cell, tex, r" $\pm$ ") for cell in row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"]) + "\n"


def _escaped(cell: Cell, escape: Callable[[str], str], between: str) -> str:
    """Numbers as they are, and texts without markup."""
    text = cell.mean if cell.mean.replace(".", "").isdigit() or not cell.mean else escape(cell.mean)
    return f"{text}{between}{cell.sd}" if cell.sd else text
