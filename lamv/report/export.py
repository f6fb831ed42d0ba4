"""The tables of methods as Markdown and as LaTeX, from the same cells as the page's.

report.md stands by itself. report.tex is made for \\input into a document that loads booktabs and graphicx; its first lines
say how. A table that is wider than the text is made as wide as it.
Names are the user's and may hold anything: what has a meaning in either language is escaped, what LaTeX has no glyph for
becomes "?".
"""

import re
import unicodedata
from collections.abc import Sequence

from lamv.compare.groups import Group, Source
from lamv.report.comparison import Block, Cell, Line

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
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"
CELLS = "Mean ± sd over n seeds."
MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$^>])")


def markdown(title: str, groups: Sequence[tuple[Group, Sequence[Block]]]) -> str:
    """All tables of a page as Markdown, with where their numbers come from."""
    lines = [f"# {md(title)}"]
    if not any(blocks for _, blocks in groups):
        lines += ["", "Nothing has been measured yet."]
    for group, blocks in groups:
        if not blocks:
            continue
        lines += ["", f"## {md(group.title)}"]
        lines += ["", md(group.settings)] if group.settings else []
        for block in blocks:
            lines += ["", f"### {md(block.title)}{_place(block)}", "", *_markdown_table(block)]
            lines += ["", " ".join(md(text) for text in (block.says, CELLS, *block.remarks))]
        lines += ["", "From: " + md(sources_in_words(group)) + "."]
        lines += [f"\n{md(note)}" for note in group.notes]
    return "\n".join(lines) + "\n"


def latex(title: str, groups: Sequence[tuple[Group, Sequence[Block]]]) -> str:
    """All tables of a page for LaTeX."""
    lines = [TEX_HEAD + f"%\n% {_comment(title)}"]
    for group, blocks in groups:
        if blocks:
            lines += ["", f"% {_comment(group.title)} {_comment(group.settings)}"]
            lines += [f"% from {_comment(sources_in_words(group))}"]
        for block in blocks:
            lines += ["", *_latex_table(group, block)]
    return "\n".join(lines) + "\n"


def sources_in_words(group: Group, most: int = 6) -> str:
    """ "digits/a (step 600) and digits/b (the end of training, step 900)", the first ones."""
    found = list(dict.fromkeys(place(source) for column in group.columns for source in column.sources))
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def place(source: Source) -> str:
    """The workdir and the step of some numbers."""
    if source.chosen:
        return f"{source.workdir} (chosen steps, {source.chosen})"
    at = source.step if source.step is not None else source.at
    return f"{source.workdir} ({'the end of training' if at is None else f'step {at}'})"


def md(text: str) -> str:
    """Plain text for Markdown: one line, nothing of it a markup, in prose and in cells alike."""
    text = _plain(text).replace("&", "&amp;").replace("<", "&lt;")
    return MARKDOWN.sub(lambda m: m[0] if m[0] in "-.()+!" and not _starts(text, m) else f"\\{m[0]}", text)


def tex(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(SYMBOLS.get(c) or (c if _printable_in_tex(c) else "?") for c in _plain(text))


def power(line: Line) -> str:
    """What a line's numbers are multiplied by: "× 10^−6", "" for nothing."""
    return f"× 10^{line.power}".replace("-", "−") if line.power else ""


def _starts(text: str, match: re.Match) -> bool:
    """Whether a character begins the text, where it could begin a list."""
    return match.start() == 0 or (match[0] in ".)" and text[: match.start()].isdigit())


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split()) or "(no name)"


def _printable_in_tex(c: str) -> bool:
    return " " <= c <= "~" or ("À" <= c <= "ÿ" and unicodedata.category(c).startswith("L"))


def _comment(text: str) -> str:
    """For a line after "%": it cannot end the comment."""
    return _plain(text) if text else ""


def _place(block: Block) -> str:
    return f" ({block.place[0]} of {block.place[1]})" if block.place[1] > 1 else ""


def _markdown_table(block: Block) -> list[str]:
    heads = [f"{md(name)}<br>n = {n}" for name, _, n in block.heads]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for line in block.lines:
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


def _latex_table(group: Group, block: Block) -> list[str]:
    settings = f" ({group.settings})" if group.settings else ""
    says = " ".join([f"{block.title}{_place(block)}: {group.title}{settings}.", block.says, CELLS, *block.remarks])
    lines = [r"\begin{table}[htbp]", r"\centering\small", rf"\caption{{{tex(says)}}}"]
    lines += [FIT + rf"\begin{{tabular}}{{@{{}}l{'r' * len(block.heads)}@{{}}}}", r"\toprule"]
    lines.append(" & ".join(["", *(tex(name) for name, _, _ in block.heads)]) + r" \\")
    lines.append(" & ".join(["", *(f"$n = {n}$" for _, _, n in block.heads)]) + r" \\")
    lines.append(r"\midrule")
    for line in block.lines:
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
