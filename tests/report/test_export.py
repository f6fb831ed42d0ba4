"""Markdown, LaTeX and CSV: the same numbers, well-formed and safe against names."""

import csv
import re

import pytest

from lamv import report
from lamv.report import export
from tests.pages import HOSTILE, Page
from tests.workdirs import evaluated, four_methods


def test_hostile_names_are_harmless_in_every_language(tmp_path):
    names = {HOSTILE: "erm", "100% a_b & \\c{d} $x$ #1 ~^ | `q` *b* [l](u)": "mixup", "日本\x00\n- ÿ±": "cutmix"}
    path = evaluated(tmp_path / "a$_%&", four_methods(names=names) | {"title": HOSTILE}, curves=False)
    page = Page(report.write(path).read_text())
    assert "script" not in page.tags and page.text.count(HOSTILE) >= 4
    markdown, latex = ((path / f"report.{suffix}").read_text() for suffix in ("md", "tex"))
    assert "<script" not in markdown and "\x00" not in latex
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {5}
    assert r"100\% a\_b \& \textbackslash{}c\{d\} \$x\$ \#1 \textasciitilde{}\textasciicircum{}" in latex
    assert "?? {-} ÿ$\\pm$" in latex
    assert well_formed(latex)


def well_formed(latex):
    """Braces, environments and columns of every line match, outside of comments; specials are escaped."""
    lines = [line for line in latex.splitlines() if not line.startswith("%")]
    text = "\n".join(lines)
    bare = re.sub(r"\\[\\{}$&#%_]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0 and "#" not in bare and "%" not in bare
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\toprule") > 0
    assert bare.isascii() or all(c.isascii() or "À" <= c <= "ÿ" for c in bare)
    for table in re.findall(r"\\begin{tabular}{@{}l(r+)@{}}(.*?)\\end{tabular}", text, re.DOTALL):
        body = [line for line in table[1].splitlines() if line.endswith(r"\\")]
        cells = {len(re.findall(r"(?<!\\)&", line)) for line in body}
        assert cells == {len(table[0])}, table
    return True


def test_latex_is_well_formed_and_says_that_it_is_to_be_input(workdir):
    latex = (workdir / "report.tex").read_text()
    assert well_formed(latex) and "Made for \\input" in latex.splitlines()[0]
    assert r"$89.1 \pm 0.9$" in latex and r"{\scriptsize $\mathbf{-8.9\,[" in latex


def test_markdown_holds_the_same_cells(workdir):
    markdown = (workdir / "report.md").read_text()
    assert "| test, % | 89.1 ± 0.9 | 80.2 ± 0.8<br>**−8.9 [" in markdown
    assert "From: run (step 20)." in markdown


def test_csv_has_the_numbers_of_the_tables_unrounded(workdir):
    with open(workdir / "report.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(export.FIELDS)
    [erm, smoothed] = [
        next(line for line in lines if (line["method"], line["metric"]) == (method, "test/accuracy"))
        for method in ("ERM", "LS .1")
    ]
    assert float(erm["mean"]) == pytest.approx(0.90 * 0.99) and erm["difference"] == ""
    assert float(smoothed["mean"]) == pytest.approx(0.81 * 0.99) and smoothed["n"] == "3"
    low, difference, high = (float(smoothed[key]) for key in ("low", "difference", "high"))
    assert difference == pytest.approx(-0.09 * 0.99) and low < difference < high


@pytest.mark.parametrize("text, expected", [("- a", r"\- a"), ("1. a", r"1\. a"), ("a.b", "a.b"), ("<b>", r"&lt;b\>")])
def test_markdown_starts_no_list_and_no_element(text, expected):
    assert export.md(text) == expected
