"""Label noise, small: what training by the engine hands over, and the two expectations."""

import json

import pytest

from lamv.theorems import label_noise, recipe


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    config = recipe("label_noise", seeds=2, steps=60, rates=(0.2, 0.7), width=16)
    return label_noise.run(config, tmp_path_factory.mktemp("noise"))


def test_every_method_has_a_row_at_every_rate(outcome):
    assert [row["name"] for row in outcome.rows] == [
        f"{method}, r = {rate}"
        for rate in ("0.2", "0.7")
        for method in ("ERM", "LS 0.1", "LS 0.5", "correction", "Mixup")
    ]
    assert all(row["metrics"]["accuracy"]["n"] == 2 for row in outcome.rows)


def test_both_expectations_are_exact(outcome):
    identities = [check for check in outcome.checks if "closed form" in check.source]
    assert len(identities) == 2 and all(check.holds for check in identities)


def test_noise_does_harm(outcome):
    accuracy = {row["name"]: row["metrics"]["accuracy"]["mean"] for row in outcome.rows}
    assert accuracy["ERM, r = 0.2"] > accuracy["ERM, r = 0.7"] + 0.02


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [check._asdict() for check in outcome.checks], outcome.figures], allow_nan=False)
