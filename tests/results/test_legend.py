"""Classes and groups have their names on every page, and numbers only where nothing is known of them."""

import json

import pytest

from lamv import report
from lamv.compare import families, group_tables, groups
from lamv.report import comparison
from lamv.results import legend, runs
from lamv.results.legend import Legend
from tests import workdirs
from tests.compare.test_group_tables import FOUR, row
from tests.pages import Page

DATA = {
    "name": "image_folder", "inputs": "images of 64 x 64 pixels, 3 channels, uint8", "examples": {"train": 40, "test": 20},
    "classes": ["bear", "cow"], "counts": {"train": [30, 10], "test": [10, 10]}, "attributes": ["sand", "snow"],
    "groups": ["bear on sand", "bear on snow", "cow on sand", "cow on snow"], "crossing": "{label} on {attribute}",
    "columns": [], "notes": ["2 photographs are transparent"], "left_out": ["a/04.png: cannot be decoded"],
}  # fmt: skip
NAMED = legend.of(DATA)


def read(path, data=DATA, *rows):
    summary = workdirs.summary(*(rows or [row(), row("LS", accuracies=FOUR | {(1, 0): 0.2})]))
    return runs.read(workdirs.write(path / "run", summary | {"data": data}))


def test_a_group_has_its_name_or_its_numbers():
    assert NAMED.group(1, 0) == "cow on sand" and Legend().group(1, 0) == "y 1, a 0"
    assert Legend(groups=("x", "z")).group(1, None) == "z" and Legend().group(3, None) == "group 3"
    assert NAMED.group(5, 0) == "y 5 on sand", "a number without a name is not another's"


@pytest.mark.parametrize(
    "data", [{}, {"classes": "bear"}, {"classes": 3, "crossing": 7, "groups": {"a": 1}}, {"classes": [None]}]
)
def test_what_is_damaged_is_no_error(tmp_path, data):
    run = read(tmp_path, data)
    assert run.rows[0].legend.group(0, 1) == "y 0, a 1" and not legend.in_words(run.data)
    assert len([note for note in run.notes if "what is said of the data" in note]) == len(data)
    report.write(run.path)


def test_tables_of_groups_and_of_methods_are_in_words(tmp_path):
    run = read(tmp_path)
    assert [name for name, _ in group_tables.of(run).heads] == DATA["groups"]
    [group] = groups.group(groups.members_of(run, "run"))
    names = [line.name for block in comparison.tables(group) for line in block.lines]
    assert any("cow on sand" in name for name in names) and not any("y 1" in name for name in names)


def test_rows_of_different_data_are_numbered():
    assert legend.common([NAMED, Legend()]) == Legend() and legend.common([NAMED, NAMED]) == NAMED
    keys = ["test/worst_group_accuracy", "test/group_1_0/accuracy"]
    [accuracy] = [family for family in families.measured(keys) if family.slug == "accuracy"]
    assert any("y 1, a 0" in metric.name for metric in accuracy.metrics)


def test_the_page_says_what_was_read_and_calls_groups_by_their_names(tmp_path):
    text = Page(report.write(read(tmp_path).path).read_text()).text
    for words in (
        "What was read",
        "bear 30, cow 10",
        "cow on snow",
        "2 photographs are transparent",
        "a/04.png: cannot",
    ):
        assert words in text
    assert "y 1, a 0" not in text and "Left out: 1 files" in text


def test_while_a_run_goes_on_its_provenance_says_it(tmp_path):
    run = read(tmp_path)
    summary = run.path / "summary.json"
    (run.path / "provenance.json").write_text(json.dumps({"reading": DATA}))
    summary.write_text(json.dumps({k: v for k, v in json.loads(summary.read_text()).items() if k != "data"}))
    assert runs.read(run.path).rows[0].legend == NAMED
