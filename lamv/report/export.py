"""The tables of methods as Markdown and as LaTeX, with the cells of the page, and as CSV, with a number a field.

report.tex is for \\input into a document that loads booktabs and graphicx; its first lines give an example. A table wider
than the text is shrunk to it. Names are the user's and may hold anything: markup is escaped, and characters that LaTeX has
no glyph for become "?".
"""

import csv as csv_files
import io
import re
from collections.abc import Sequence

from lamv.compare import cohorts, families
from lamv.compare.cohorts import Cohort
from lamv.report.comparison import MethodTable, MetricLine
from lamv.report.numbers import one_line
from lamv.report.table import Cell
from lamv.results.records import spread

TEX_HEAD = r"""% Tables of methods, written by lamv's report. Made for \input, not to be compiled by itself; for example:
%
%     \documentclass{article}
%     \usepackage[T1]{fontenc}
%     \usepackage[utf8]{inputenc}
%     \usepackage{booktabs}
%     \usepackage{graphicx}
%     \begin{document}
%     \input{report}
%     \end{document}
"""
SYMBOLS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "-": "{-}", "[": "{[}", "]": "{]}", "*": "{*}",
    "±": r"$\pm$", "−": "$-$", "×": r"$\times$", "†": r"$\dagger$", "≥": r"$\geq$", "≤": r"$\leq$", "ε": r"$\varepsilon$",
    "α": r"$\alpha$", "λ": r"$\lambda$", "²": r"$^2$", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}", "\xa0": "~",
}  # fmt: skip
#: Letters beyond ASCII that T1 fonts have.
LATIN = "".join(c for c in map(chr, range(0xC0, 0x100)) if c.isalpha())
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"
CELLS = "Mean ± sd over n seeds."
MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$^>])")


def markdown(title: str, compared: Sequence[tuple[Cohort, Sequence[MethodTable]]]) -> str:
    """All tables of a page as Markdown, with the workdirs of their numbers."""
    lines = [f"# {md(title)}"]
    if not any(tables for _, tables in compared):
        lines += ["", "Nothing has been measured yet."]
    for cohort, tables in compared:
        if not tables:
            continue
        lines += ["", f"## {md(cohort.title)}"]
        lines += ["", md(cohort.settings)] if cohort.settings else []
        for table in tables:
            lines += ["", f"### {md(table.title)}{_part(table)}", "", *_markdown_table(table)]
            lines += ["", " ".join(md(text) for text in (table.about, CELLS, *table.remarks))]
        lines += ["", "From: " + md(cohort.origins()) + "."]
        lines += [f"\n{md(note)}" for note in cohort.notes]
    return "\n".join(lines) + "\n"


def latex(title: str, compared: Sequence[tuple[Cohort, Sequence[MethodTable]]]) -> str:
    """All tables of a page for LaTeX."""
    lines = [TEX_HEAD + f"%\n% {_comment(title)}"]
    for cohort, tables in compared:
        if tables:
            lines += ["", f"% {_comment(cohort.title)} {_comment(cohort.settings)}"]
            lines += [f"% from {_comment(cohort.origins())}"]
        for table in tables:
            lines += ["", *_latex_table(cohort, table)]
    return "\n".join(lines) + "\n"


#: The columns of the CSV file. Values are in natural units, accuracies as fractions; difference is from ERM, low and high
#: are the ends of its 95 % interval, and examples says over how many test examples it is where it is not over seeds.
FIELDS = (
    "cohort",
    "settings",
    "method",
    "knobs",
    "metric",
    "name",
    "n",
    "mean",
    "sd",
    "difference",
    "low",
    "high",
    "examples",
)


def csv(compared: Sequence[tuple[Cohort, Sequence[MethodTable]]]) -> str:
    """The metrics of all tables of a page as CSV: a line for each method and metric, unrounded."""
    out = io.StringIO()
    writer = csv_files.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for cohort, _ in compared:
        shown = [metric for family in families.measured(cohort.metrics, cohort.legend) for metric in family.metrics]
        for method in cohort.methods:
            for metric in shown:
                values = list(method.values.get(metric.key, {}).values())
                if not values:
                    continue
                over, apart = spread(values), cohorts.difference(method, cohort.baseline, metric.key)
                ends = (apart.mean, apart.low, apart.high, apart.examples) if apart else (None,) * 4
                names = (
                    cohort.title,
                    cohort.settings,
                    method.name,
                    method.short,
                    metric.key,
                    metric.name.removesuffix(", %"),
                )
                writer.writerow([*map(_comment, names), over.n, over.mean, over.sd, *ends])
    return out.getvalue()


def md(text: str) -> str:
    """Plain text for Markdown: one line, nothing of it a markup, in prose and in cells alike."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return MARKDOWN.sub(lambda m: m[0] if m[0] in "-.()+!" and not _starts(text, m) else f"\\{m[0]}", text)


def tex(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(SYMBOLS.get(c) or (c if " " <= c <= "~" or c in LATIN else "?") for c in one_line(text))


def power(line: MetricLine) -> str:
    """ "× 10^−6": the factor of a line's numbers; "" for 1."""
    return f"× 10^{line.power}".replace("-", "−") if line.power else ""


def _starts(text: str, match: re.Match) -> bool:
    """Whether a character begins the text, where it could begin a list."""
    return match.start() == 0 or (match[0] in ".)" and text[: match.start()].isdigit())


def _comment(text: str) -> str:
    """One line, as after "%", where it cannot end the comment; "" stays empty."""
    return one_line(text) if text else ""


def _part(table: MethodTable) -> str:
    return f" ({table.part[0]} of {table.part[1]})" if table.part[1] > 1 else ""


def _markdown_table(table: MethodTable) -> list[str]:
    heads = [f"{md(method.name)}<br>n = {method.n}" for method in table.methods]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for line in table.lines:
        cells = [_markdown_cell(cell) for cell in line.cells]
        lines.append(f"| {md(' '.join([line.name, power(line)]).strip())} | " + " | ".join(cells) + " |")
    return lines


def _markdown_cell(cell: Cell) -> str:
    if not cell.mean:
        return ""
    sd = f" ± {cell.sd}" if cell.sd else ""
    n = f" (n = {cell.n})" if cell.n else ""
    gap = " ".join(part for part in (cell.difference, cell.interval) if part)
    below = (f"<br>**{gap}**" if cell.apart else f"<br>{gap}") if gap else ""
    return f"{cell.mean}{sd}{n}{below}"


def _latex_table(cohort: Cohort, table: MethodTable) -> list[str]:
    settings = f" ({cohort.settings})" if cohort.settings else ""
    caption = " ".join([f"{table.title}{_part(table)}: {cohort.title}{settings}.", table.about, CELLS, *table.remarks])
    lines = [r"\begin{table}[htbp]", r"\centering\small", rf"\caption{{{tex(caption)}}}"]
    lines += [FIT + rf"\begin{{tabular}}{{@{{}}l{'r' * len(table.methods)}@{{}}}}", r"\toprule"]
    lines.append(" & ".join(["", *(tex(method.name) for method in table.methods)]) + r" \\")
    lines.append(" & ".join(["", *(f"$n = {method.n}$" for method in table.methods)]) + r" \\")
    lines.append(r"\midrule")
    for line in table.lines:
        factor = rf" $\times 10^{{{line.power}}}$" if line.power else ""
        lines.append(" & ".join([tex(line.name) + factor, *map(_latex_mean, line.cells)]) + r" \\")
        gaps = [_latex_gap(cell) for cell in line.cells]
        if any(gaps):
            lines.append(" & ".join(["", *gaps]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"]


def _latex_mean(cell: Cell) -> str:
    if not cell.mean:
        return ""
    sd = rf" \pm {cell.sd}" if cell.sd else ""
    n = f" ({cell.n})" if cell.n else ""
    return f"${_minus(cell.mean)}{sd}${n}"


def _latex_gap(cell: Cell) -> str:
    parts = [part for part in (cell.difference, cell.interval) if part]
    if not parts:
        return ""
    text = r"\,".join(_minus(part) for part in parts).replace("†", r"^{\dagger}")
    return rf"{{\scriptsize ${text}$}}" if not cell.apart else rf"{{\scriptsize $\mathbf{{{text}}}$}}"


def _minus(text: str) -> str:
    return text.replace("−", "-")
