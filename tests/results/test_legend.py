"""Classes and groups have their names on every page, and numbers only where nothing is known of them."""

import json

import pytest

from lamv import report
from lamv.results import legend, runs
from lamv.results.legend import Legend
from tests import workdirs
from tests.compare.test_by_group import FOUR, row

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


def test_while_a_run_goes_on_its_provenance_says_it(tmp_path):
    run = read(tmp_path)
    summary = run.path / "summary.json"
    (run.path / "provenance.json").write_text(json.dumps({"reading": DATA}))
    summary.write_text(json.dumps({k: v for k, v in json.loads(summary.read_text()).items() if k != "data"}))
    assert runs.read(run.path).rows[0].legend == NAMED
