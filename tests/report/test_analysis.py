"""An evaluated workdir: what is read from it, what is compared, and what a page, Markdown and LaTeX say of it."""

import json
import re

import numpy as np
import pytest
import scipy.stats

from lamv import config, report
from lamv.catalog import methods as catalog
from lamv.catalog import metrics
from lamv.compare import families, groups
from lamv.core import methods
from lamv.core.intervals import over_seeds
from lamv.report import answer, comparison, export, variance_figures
from lamv.results import analysis, runs
from tests import workdirs
from tests.pages import HOSTILE, Page

NAMES = {"ERM": "erm", "LS .1": "label_smoothing", "Mixup": "mixup", "CutMix": "cutmix"}


def made(seeds=3, names=NAMES, **knobs):
    """Four rows without a shortcut, by default."""
    values = workdirs.measured(shortcut=False, seeds=seeds)
    return workdirs.summary(*(workdirs.row(n, values, method=m, shortcut="none", **knobs) for n, m in names.items()))


def evaluated(path, summary=None, finished=True, **how):
    summary = summary or made()
    return workdirs.evaluate(workdirs.write(path, summary, finished=finished), summary, **how)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Evaluated at two steps, and reported on."""
    path = evaluated(tmp_path_factory.mktemp("analysis") / "run", steps=(10, 20))
    report.write(path)
    return path


@pytest.fixture(scope="module")
def one_seed(tmp_path_factory):
    """Of one seed, with bootstrap intervals over examples."""
    path = evaluated(tmp_path_factory.mktemp("one") / "run", made(seeds=1))
    with open(path / analysis.CURVES, "a") as file:
        for name in NAMES:
            line = {"step": 20, "row": name, "replica": 0, "seed": 0}
            found = [workdirs.interval(line, "test/accuracy", 0.9, 0.8612, 0.9312)]
            if name != "ERM":
                found.append(workdirs.interval(line, "test/accuracy", -0.09, -0.1234, -0.0567, "ERM"))
            file.writelines(json.dumps(one) + "\n" for one in found)
    report.write(path)
    return path


def group_of(path):
    (group,) = groups.group(groups.members_of(runs.read(path), "run"))
    return group


# What is read.


def test_the_numbers_of_a_row_are_those_of_its_last_evaluated_step(workdir):
    row = runs.read(workdir).rows[1]
    assert row.step is None
    assert row.metrics["test/nll"].values == pytest.approx([0.36, 0.3564, 0.3528])
    assert row.metrics["train/loss"].mean == pytest.approx(0.25), "which training alone measured"


def test_a_metric_that_training_measured_otherwise_is_the_evaluations_and_noted(workdir):
    run = runs.read(workdir)
    assert run.rows[0].mean("test/accuracy") == pytest.approx(0.891)
    noted = next(note for note in run.notes if note.startswith("Row ERM: training and evaluation differ"))
    assert "test/accuracy (0.998 and 0.891)" in noted


def test_numbers_that_agree_but_for_rounding_are_not_noted(tmp_path):
    close = {"test/accuracy": 0.998 * (1 + 5e-4)}
    summary = made(seeds=1, names={"ERM": "erm"})
    run = runs.read(evaluated(tmp_path, summary, values=close))
    assert not [note for note in run.notes if "differ" in note]
    run = runs.read(evaluated(tmp_path, summary, values={"test/accuracy": 0.998 * (1 + 2e-3)}))
    assert [note for note in run.notes if "differ" in note]


def test_an_evaluation_of_an_earlier_checkpoint_is_named_with_its_step(tmp_path):
    run = runs.read(evaluated(tmp_path, steps=(10,)))
    assert {row.step for row in run.rows} == {10}
    assert "Row ERM: the numbers are those of step 10, the last that was evaluated, of 20." in run.notes
    assert run.rows[0].metrics["train/loss"].mean == pytest.approx(0.25), "from metrics.jsonl at that step"


def test_damage_is_counted_and_left_out(tmp_path):
    path = evaluated(tmp_path)
    lines = (path / analysis.LINES).read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace('"test/nll": ', '"test/nll": NaN, "test/none": ', 1)
    (path / analysis.LINES).write_text("".join(["[1]\n", '{"step": 20}\n', *lines, '{"step": 20, "row": "ER']))
    with open(path / analysis.CURVES, "a") as file:
        file.write('{"kind": "reliability"}\n{"kind": "reliability", "ro')
    found = analysis.read(path)
    assert "3 of evaluation.jsonl's lines cannot be read and are left out." in found.notes
    assert "1 of evaluation.jsonl's numbers are none that a metric can have, and are left out." in found.notes
    assert len(found.lines) == 12 and "test/nll" not in found.lines[3] and "test/nll" in found.lines[4]
    assert len(found.curves("reliability")) == 24
    assert "2 of evaluation_curves.jsonl's lines of reliability cannot be read and are left out." in found.notes


def test_a_row_that_was_not_evaluated_and_a_workdir_that_never_was(tmp_path):
    path = evaluated(tmp_path / "a")
    kept = [line for line in (path / analysis.LINES).read_text().splitlines() if '"Mixup"' not in line]
    (path / analysis.LINES).write_text("\n".join(kept) + "\n")
    assert "Row Mixup was not evaluated: evaluation.jsonl has no line of it." in runs.read(path).notes
    plain = runs.read(workdirs.write(tmp_path / "b", made()))
    assert not plain.analysis.lines and not plain.notes


def test_a_replica_that_is_missing_leaves_the_seeds_of_the_others(tmp_path):
    path = evaluated(tmp_path)
    kept = [x for x in (path / analysis.LINES).read_text().splitlines() if not ('"LS .1"' in x and '"replica": 0' in x)]
    (path / analysis.LINES).write_text("\n".join(kept) + "\n")
    assert set(runs.read(path).rows[1].by_seed("test/nll")) == {1, 2}
    group = group_of(path)
    difference = groups.difference(group.columns[1], group.baseline, "test/nll")
    assert difference.n == 2 and difference.mean == pytest.approx(-0.04 * (0.99 + 0.98) / 2)


# What is compared.


def test_a_difference_is_the_paired_mean_with_its_interval_over_seeds(workdir):
    group = group_of(workdir)
    found = groups.difference(group.columns[2], group.baseline, "test/nll")
    expected = over_seeds([-0.08 * (1 - r / 100) for r in range(3)])
    assert (found.mean, found.low, found.high) == pytest.approx(tuple(expected))
    assert found.n == 3 and found.examples is None


def test_groups_span_workdirs_and_pool_seeds_of_a_method(tmp_path):
    members = []
    for place in range(2):
        summary = made(names={"ERM": "erm", f"LS {place}": "label_smoothing"})
        for row in summary["rows"]:
            row["config"]["seed"] = 3 * place
        members += groups.members_of(runs.read(workdirs.write(tmp_path / str(place), summary)), str(place))
    (group,) = groups.group(members)
    assert [(c.name, c.n, len(c.sources)) for c in group.columns] == [("ERM", 6, 2), ("LS 0", 6, 2)]
    assert groups.difference(group.columns[1], group.baseline, "test/accuracy").n == 6


def test_a_seed_that_two_workdirs_have_counts_once_and_is_noted(tmp_path):
    members = [m for p in "ab" for m in groups.members_of(runs.read(workdirs.write(tmp_path / p, made())), p)]
    (group,) = groups.group(members)
    assert {column.n for column in group.columns} == {3}
    assert group.notes[0] == "ERM: seeds that several workdirs have (0, 1, 2) count once."


@pytest.mark.parametrize("change", [{"lr": 0.1}, {"weight_decay": 0.1}])
def test_rows_that_differ_in_more_than_the_method_are_not_compared(tmp_path, change):
    values = workdirs.measured(shortcut=False)
    rows = workdirs.row("ERM", values, shortcut="none"), workdirs.row("LS", values, method="label_smoothing", **change)
    found = groups.group(groups.members_of(runs.read(workdirs.write(tmp_path, workdirs.summary(*rows))), "run"))
    assert len(found) == 2 and found[1].baseline is None
    assert "No ERM row is otherwise the same" in comparison.tables(found[1])[0].remarks[0]


def test_a_student_is_a_method_beside_erm_and_not_erm(tmp_path):
    rows = [workdirs.row(name, workdirs.measured(shortcut=False)) for name in ("ERM", "student")]
    for row, teacher in zip(rows, ("", "big"), strict=True):
        row["config"]["distill"] = {"teacher": "", "row": teacher, "temperature": 4.0, "weight": 1.0}
    group = group_of(workdirs.write(tmp_path, workdirs.summary(*rows)))
    assert [c.name for c in group.columns] == ["ERM", "student"] and group.columns[1].short == "erm, taught by big"
    assert group.baseline is group.columns[0]


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_has_a_short_name_with_knobs_that_it_has(name):
    had = set(methods.knobs_of(methods.METHODS[name]))
    knobs = {knob for knob in had if f"method.{knob}" in config.KNOB} | (
        {"running_decay"} if "running" in had else set()
    )
    assert set(catalog.METHODS[name].knobs) == knobs


def test_short_names_tell_the_knobs_that_matter():
    of = {"name": "mixup", "alpha": 0.2, "law": "", "lam_per": "batch", "smoothing": 0.0, "weight": 3.0}
    assert catalog.in_short({"method": of}) == "mixup α=0.2 λ per=batch"
    smoothed = of | {"smoothing": 0.1, "convention": "others"}
    assert catalog.in_short({"method": smoothed}).endswith("ε=0.1 convention=others")
    assert "convention" not in catalog.in_short({"method": smoothed | {"smoothing": 0.0}})
    assert catalog.in_short({"method": of | {"law": "beta(1, 2)"}}) == "mixup law=beta(1, 2) λ per=batch"
    then = of | {"name": "erm", "switch": 30, "then": "mixup"}
    assert catalog.in_short({"method": then}).startswith("erm, then mixup α=0.2")
    assert catalog.in_short({}) == "unknown"


# What is shown.


def test_only_families_that_were_measured_are_shown_with_levels_in_order():
    keys = ["test/attack/pgd_0.1/accuracy", "test/attack/fgsm_0.25/accuracy", "test/attack/fgsm_0.1/accuracy"]
    (family,) = families.measured([*keys, "test/corruption/noise_1/accuracy", "nothing/known"])
    assert [m.name for m in family.metrics] == [
        "FGSM, ε = 0.1, %",
        "FGSM, ε = 0.25, %",
        "PGD, ε = 0.1, %",
        "noise, level 1, %",
    ]


def test_cells_hold_mean_sd_difference_and_interval(workdir):
    blocks = {block.slug: block for block in comparison.tables(group_of(workdir))}
    slugs = ["accuracy", "variance", "collapse", "calibration", "margins", "bound", "robustness", "probe"]
    assert list(blocks) == slugs
    line = next(line for line in blocks["accuracy"].lines if line.name == "test, %")
    assert (line.cells[0].mean, line.cells[0].sd, line.cells[0].difference) == ("89.1", "0.9", "")
    low, high = (100 * end for end in over_seeds([-0.09 * (1 - r / 100) for r in range(3)])[1:])
    assert line.cells[1].difference == "−8.9"
    assert line.cells[1].interval == f"[−{-low:.1f}, −{-high:.1f}]" and line.cells[1].apart


def test_an_interval_whose_end_is_printed_as_0_is_not_set_apart():
    column = groups.Column("a", "", False, (), {"test/accuracy": {0: 0.5, 1: 0.5}}, {})
    line = comparison._line(
        metrics.Metric("test/accuracy", "test", True), [column], [groups.Difference(0.001, 0.0001, 0.002, 2)]
    )
    assert line.cells[0].interval == "[0.0, +0.2]" and not line.cells[0].apart


def test_tiny_numbers_share_a_power_of_ten_and_wide_groups_split_with_erm_in_each(tmp_path):
    names = {f"m{place}": "mixup" for place in range(9)}
    summary = made(names={"ERM": "erm"} | names)
    for place, row in enumerate(summary["rows"]):
        row["config"]["method"]["alpha"] = 1.0 + place
    group = group_of(evaluated(tmp_path, summary, values={"test/outputs/within_variance": 3e-6}, curves=False))
    blocks = [block for block in comparison.tables(group) if block.slug == "variance"]
    assert [len(block.columns) for block in blocks] == [5, 5, 2] and {b.heads[0][0] for b in blocks} == {"ERM"}
    line = next(line for line in blocks[0].lines if "outputs, test: within" in line.name)
    assert line.power == -6 and line.cells[0].mean == "2.97"


def test_one_seed_names_the_bootstrap_over_examples(one_seed):
    text = Page((one_seed / report.FILE).read_text()).text
    assert "† marks a bootstrap over the 500 test examples of one seed" in text
    assert "[−12.3, −5.7]†" in text and "[86.1, 93.1]†" in text
    assert "over seeds)" not in text.split("Methods compared")[1].split("How to read")[0]
    assert "[−12.3, −5.7]†" in (one_seed / "report.md").read_text()
    assert r"[-12.3, -5.7]^{\dagger}" in (one_seed / "report.tex").read_text()


def test_one_seed_without_intervals_says_that_there_are_none(tmp_path):
    group = group_of(evaluated(tmp_path, made(seeds=1)))
    block = comparison.tables(group)[0]
    assert "Of one seed there is no interval over seeds" in " ".join(block.remarks)
    assert not any(cell.interval for line in block.lines for cell in line.cells)


def test_the_page_has_every_figure_once_with_a_caption_and_words(workdir):
    page = Page((workdir / report.FILE).read_text())
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert page.tags.count("figure") == page.tags.count("figcaption") == len(labels) == 14
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids)) and "script" not in page.tags
    references = [value[1:] for _, name, value in page.attributes if name == "href"]
    assert set(references) <= set(ids)
    assert "Spearman’s rank correlation +1.00 (n = 4 rows)" in page.text
    assert "FGSM, LS .1: 26.7 % at 0.1" in " ".join(labels)
    assert "LS .1: floor 0.446" in " ".join(labels)


def test_what_the_evaluation_says_is_put_in_words(workdir):
    text = Page((workdir / report.FILE).read_text()).text.replace("\xa0", " ")
    assert "the features vary within a class 0.90 (LS .1), 0.80 (Mixup) and 0.70 (CutMix) times as much" in text
    assert "the variance within cells makes up 10 % (ERM), 10 % (LS .1)" in text
    assert "The ECE is, in points, 5.9 (ERM)" in text and "after temperature scaling 1.0 (ERM)" in text
    assert "Evaluation: There was no validation set." in text


def test_provenance_names_both_commands(workdir):
    text = Page((workdir / report.FILE).read_text()).text
    assert (
        "train.py" in text and "evaluate.py --checkpoints=all" in text and "c0ffee" in text and "examples = 500" in text
    )
    assert text.count("From run, step 20") >= 12 + 8


def test_every_metric_that_is_shown_is_explained(workdir):
    text = Page((workdir / report.FILE).read_text()).text.split("How to read this")[1]
    for name in (
        "NC1",
        "ECE",
        "AURC",
        "temperature scaling",
        "entropy floor",
        "attacks",
        "probe",
        "information",
        "margin",
    ):
        assert name in text
    assert "corruptions" in text and "NC3" not in text, "it was not measured"


def test_the_same_files_give_the_same_bytes(workdir):
    names = (report.FILE, "report.md", "report.tex")
    first = [(workdir / name).read_bytes() for name in names]
    report.write(workdir)
    assert [(workdir / name).read_bytes() for name in names] == first


def test_rank_correlation_is_scipys_with_ties_and_none_for_a_constant():
    rng = np.random.default_rng(0)
    for _ in range(5):
        x, y = rng.integers(0, 6, 12), rng.normal(size=12)
        expected = scipy.stats.spearmanr(x, y).statistic
        assert variance_figures.rank_correlation(x, y) == pytest.approx(expected)
    assert variance_figures.rank_correlation([1, 1, 1], [1, 2, 3]) is None


def test_too_few_rows_have_no_correlation(tmp_path):
    run = runs.read(workdirs.write(tmp_path, made(names={"ERM": "erm", "LS": "label_smoothing", "Mixup": "mixup"})))
    drawn = variance_figures.scatter(run.rows)
    assert "3 rows are too few" in drawn.caption and "Spearman" not in drawn.caption
    assert variance_figures.scatter(run.rows[:2]) is None


def test_a_loss_whose_variance_is_not_told_is_not_split():
    spread = {key: runs.spread([value]) for key, value in {"augmented/loss": 0.9, "augmented/floor": 0.5}.items()}
    row = runs.Row("Mixup", workdirs.config("mixup"), spread)
    assert variance_figures.parts_of_loss(row) == pytest.approx({"floor": 0.5, "excess": 0.4})
    assert variance_figures.variance_share(row) is None


# Markdown and LaTeX.


def test_hostile_names_are_harmless_in_every_language(tmp_path):
    names = {HOSTILE: "erm", "100% a_b & \\c{d} $x$ #1 ~^ | `q` *b* [l](u)": "mixup", "日本\x00\n- ÿ±": "cutmix"}
    path = evaluated(tmp_path / "a$_%&", made(names=names) | {"title": HOSTILE}, curves=False)
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


@pytest.mark.parametrize("text, expected", [("- a", r"\- a"), ("1. a", r"1\. a"), ("a.b", "a.b"), ("<b>", r"&lt;b\>")])
def test_markdown_starts_no_list_and_no_element(text, expected):
    assert export.md(text) == expected


def test_of_one_seed_the_answer_goes_by_the_interval_over_examples(one_seed):
    """A tenth of a point between two networks is no finding, and the headline says of how many seeds it speaks."""
    found = answer.answer(runs.read(one_seed))
    assert found.headline.startswith("In one seed: with label augmentation, test accuracy is lower in ")
    assert all(c.over_examples == (-0.1234, -0.0567) and c.verdict == answer.LESS for c in found.comparisons)
    wide = found.comparisons[0]._replace(over_examples=(-0.01, 0.02))
    assert wide.verdict == answer.UNDECIDED
    page = (one_seed / report.FILE).read_text()
    assert "−12.3 to −5.7†" in page and "A bootstrap over the test examples of one seed" in page
