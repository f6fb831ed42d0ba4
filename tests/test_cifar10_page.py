"""docs/cifar10.md: its tables are made of the seeds that are kept, and of made-up ones by hand."""

import json
import math

import pytest

from docs import cifar10
from lamv import places

NAMES = list(cifar10.get_config().rows)


def seed_of(shift=0.0):
    """A seed in which the error falls from checkpoint to checkpoint as the variances do, and from row to row rises."""
    lines = []
    for place, row in enumerate(NAMES):
        for step in (660, 1320, 1980):
            value = 1000 / step + place + shift
            known = dict.fromkeys(cifar10.SHOWN, value) | {"test/error": value / 10, "test/accuracy": 1 - value / 10}
            lines.append({"row": row, "step": step, **known})
    return lines


def test_the_page_is_made_of_the_seeds_that_are_kept():
    """Otherwise: python -m docs.cifar10 writes it anew."""
    page = cifar10.FOLDER.with_suffix(".md").read_text(encoding="utf-8")
    seeds = cifar10.lines_of(cifar10.kept())
    assert seeds and cifar10.written(page, seeds) == page
    assert f"n = {len(seeds)} seeds" in page


def test_the_record_has_its_claims_and_the_numbers_of_its_page():
    record = json.loads(places.RECORD.read_text(encoding="utf-8"))["recipes"]
    [recorded] = [one for one in record if one["recipe"] == cifar10.RECIPE]
    entry = cifar10.entry(cifar10.kept())
    for key in ("quantity", "n", "verdict"):
        assert [one[key] for one in recorded["claims"]] == [one[key] for one in entry["claims"]]
    assert [one["text"] for one in recorded["stated"]] == [one["text"] for one in entry["stated"]]


def test_a_table_has_the_last_checkpoint_mean_and_sd_over_seeds():
    [error] = [line for line in cifar10.table({0: seed_of(), 1: seed_of(0.2)}) if line.startswith("| test error")]
    mean = 100 * (1000 / 1980 + 0.1) / 10
    assert error.split("|")[2].strip() == f"{mean:.1f} ± {100 * 0.02 / math.sqrt(2):.1f}"
    [error] = [line for line in cifar10.table({0: seed_of()}) if line.startswith("| test error")]
    assert "±" not in error


def test_correlations_are_spearmans_of_each_seed():
    found = cifar10.correlations({0: seed_of(), 1: seed_of(0.2)})
    assert list(found) == cifar10.VARIANCES
    for own in found.values():
        assert own == {
            "losses": pytest.approx([1, 1]),
            "checkpoints": pytest.approx([1, 1]),
            "all": pytest.approx([1, 1]),
        }


def test_claims_are_judged_on_seeds_other_than_the_pilot():
    claims = cifar10.tables({cifar10.PILOT: seed_of()})["claims"]
    assert claims == ["They wait for two seeds beside the pilot."]
    judged = cifar10.tables({0: seed_of(), 1: seed_of(), 2: seed_of(0.1)})["claims"]
    assert len(judged) == 2 + len(cifar10.get_config().claims)
