"""What is read from an evaluated workdir, damaged or not."""

import pytest

from lamv.results import analysis, runs
from tests import workdirs
from tests.workdirs import evaluated, four_methods


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return evaluated(tmp_path_factory.mktemp("evaluated") / "run", steps=(10, 20))


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
    summary = four_methods(seeds=1, names={"ERM": "erm"})
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
    plain = runs.read(workdirs.write(tmp_path / "b", four_methods()))
    assert not plain.analysis.lines and not plain.notes
