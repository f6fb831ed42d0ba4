"""The identifying pixel, shorter: signs that are many standard deviations from 0."""

import json

import pytest

from lamv.theorems import identifying_pixel, recipe


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    config = recipe("identifying_pixel", seeds=2, steps=1200)
    return identifying_pixel.run(config, tmp_path_factory.mktemp("pixel"))


def test_one_sided_coding_shows_where_the_pixel_is_absent(outcome):
    absent = {row["name"]: row["metrics"]["absent accuracy"]["mean"] for row in outcome.rows}
    assert absent["one-sided ERM"] - absent["one-sided LS"] > 0.1
    assert absent["one-sided ERM"] - absent["one-sided Mixup"] > 0.1
    assert absent["centred ERM"] - absent["centred LS"] < 0.05, "a centred cue leaves the threshold where it is"


def test_centred_coding_shows_in_the_reversed_pixel_and_in_the_weights(outcome):
    reverse, ratio = (
        {row["name"]: row["metrics"][metric]["mean"] for row in outcome.rows}
        for metric in ("reversed accuracy", "weight ratio")
    )
    assert reverse["centred ERM"] - reverse["centred LS"] > 0.1
    assert ratio["centred LS"] > 1.5 * ratio["centred ERM"]


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [check._asdict() for check in outcome.checks], outcome.figures], allow_nan=False)
