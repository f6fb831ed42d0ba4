"""What a sweep has come to: sweep.json and sweep.csv from workdirs in any state, and the best cell."""

import csv
import io
import json

import pytest

from lamv.errors import ConfigError
from lamv.sweep import cells, collect, plan
from tests.sweep.made_up import accuracy, content, planned, train


@pytest.fixture
def made(tmp_path):
    """A sweep of which the program of ERM is done, and the other is not."""
    sweep = planned()
    erm = next(program for program in sweep.programs.values() if len(program.cells) == 2)
    train(tmp_path, sweep, erm)
    return tmp_path, sweep, erm


def test_sweep_json_is_the_contract(made):
    workdir, sweep, erm = made
    collect.write(workdir, content(workdir, sweep), sweep)
    stored = json.loads((workdir / "sweep.json").read_text())
    assert [cell["id"] for cell in stored["cells"]] == list(sweep.cells)
    for cell in stored["cells"]:
        done = cell["id"] in erm.cells
        assert cell["status"] == ("done" if done else "waiting")
        assert cell["knobs"] == sweep.cells[cell["id"]].knobs
        if done:
            base = accuracy(sweep.cells[cell["id"]])
            of = cell["metrics"]["valid/accuracy"]
            assert of["values"] == [base, base + 0.01] and of["n"] == 2 and of["mean"] == pytest.approx(base + 0.005)
    assert stored["best"] == erm.cells[1] and stored["tried"] == 2
    assert stored["axes"]["optim.lr"] == [0.01, 0.03]


def test_sweep_csv_has_a_line_for_each_cell_and_seed(made):
    workdir, sweep, erm = made
    text = collect.as_csv(content(workdir, sweep), {id: cells.seeds_of(cell) for id, cell in sweep.cells.items()})
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [(line["id"], line["seed"]) for line in lines] == [(id, seed) for id in sweep.cells for seed in "01"]
    for line in lines:
        expected = str(accuracy(sweep.cells[line["id"]]) + 0.01 * int(line["seed"])) if line["id"] in erm.cells else ""
        assert line["test/accuracy"] == expected
    assert lines[0]["method.alpha"] == "" and lines[0]["method.name"] == "erm"


def test_a_failure_is_said_and_a_damaged_summary_waits_for_training(made):
    workdir, sweep, erm = made
    other = next(program for program in sweep.programs.values() if program != erm)
    collect.failed(plan.folder_of(workdir, other.id), 70, "it diverged")
    (plan.folder_of(workdir, erm.id) / "summary.json").write_text('{"rows": [{}]}')
    found = content(workdir, sweep)
    assert {cell["status"] for cell in found["cells"]} == {"failed", "waiting"} and found["best"] is None
    assert {cell["error"] for cell in found["cells"] if cell["status"] == "failed"} == {"it diverged"}


def test_cells_beyond_the_grid_are_listed_where_they_ended(made):
    workdir, sweep, erm = made
    states = {id: collect.state_of(plan.folder_of(workdir, id)) for id in sweep.programs}
    asked = [next(id for id in sweep.cells if id not in erm.cells)]
    found = collect.content(sweep, states, asked, collect.rule_of("none"), "")
    assert {cell["id"] for cell in found["cells"]} == {*asked, *erm.cells} and found["best"] is None


def test_the_best_cell_has_the_highest_mean_or_the_lowest_error_and_of_equals_the_first():
    def cell(id, **metrics):
        return {"id": id, "metrics": {f"valid/{key}": {"mean": mean} for key, mean in metrics.items()}}

    cells = [cell("a"), cell("b", accuracy=0.7, rmse=2.0), cell("c", accuracy=0.9, rmse=3.0), cell("d", accuracy=0.9)]
    assert collect.rule_of("valid_accuracy").best(cells)["id"] == "c"
    assert collect.rule_of("valid_rmse").best(cells)["id"] == "b"
    assert collect.rule_of("valid_worst_group").best(cells) is None
    with pytest.raises(ConfigError, match="--select is 'valid_acuracy' .did you mean 'valid_accuracy'"):
        collect.rule_of("valid_acuracy")


def test_progress_is_read_from_the_last_whole_line(tmp_path):
    cell = next(iter(planned().cells.values()))  # of 40 steps
    assert collect.progress(tmp_path, cell) == 0
    (tmp_path / "metrics.jsonl").write_text('{"step": 10}\n{"step": 20}\n{"step": 3')
    assert collect.progress(tmp_path, cell) == 0.5
    epochs = cell._replace(config={**cell.config, "steps": None, "epochs": 5.0})  # 256 // 32 = 8 steps each
    assert collect.progress(tmp_path, epochs) == 0.5
