"""Planted cues: their dose on the axis of the data's own directions, and where a method stops leaning on them more."""

import numpy as np
import pytest

from lamv.audit import cues, reading
from lamv.audit.question import ERM, Question, parsed
from lamv.results.records import Row, spread

METHODS = parsed("mixup:1")


def read(tmp_path, inputs):
    np.savez(tmp_path / "a.npz", inputs=inputs, labels=np.arange(len(inputs)) % 4)
    return reading.read(Question(tmp_path / "a.npz", tmp_path / "audit.html", METHODS))


def test_the_share_is_that_of_the_planted_inputs(tmp_path):
    """Monte Carlo: variance within classes over total variance of the columns that a tag adds."""
    rng = np.random.default_rng(0)
    [cue] = cues.cues_for(read(tmp_path, rng.normal(size=(200, 6))), 4)
    labels = rng.integers(4, size=200_000)
    planted = cue.strength * np.eye(4)[labels] + cue.noise(0.5) * rng.normal(size=(200_000, 4))
    within = np.mean([planted[labels == y].var(axis=0) for y in range(4)])
    assert cue.within_share(0.5) == pytest.approx(within / planted.var(axis=0).mean(), rel=0.01)
    assert (cue.within_share(0.0), cue.noise(0.0)) == (0, 0)


def test_images_get_the_cues_that_fit_them(tmp_path):
    rng = np.random.default_rng(1)

    def kinds(channels, most=4):
        images = rng.integers(256, size=(40, 16, 16, channels), dtype=np.uint8)
        return [cue.kind for cue in cues.cues_for(read(tmp_path, images), most)]

    assert kinds(3) == ["patch", "watermark", "colour_cast", "frequency"]
    assert kinds(3, most=1) == ["patch"]
    assert kinds(1) == ["patch", "watermark", "frequency"]
    assert kinds(5) == ["watermark", "frequency"]


def test_the_spread_of_a_patch_is_that_of_its_colours(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(40, 16, 16, 1), dtype=np.uint8)
    [cue] = cues.cues_for(read(tmp_path, images), 1)
    assert cue.spread == pytest.approx(np.var([0.25, 0.5, 0.75, 1.0]))


def results(differences, cue):
    rows = []
    for dose, difference in zip(cues.NOISES, differences, strict=True):
        for method, accuracy in ((ERM, 0.8), (METHODS[0], 0.8 + difference)):
            values = spread([accuracy - 0.01, accuracy + 0.01])
            rows.append(Row(f"{method.label}, {cue.kind}, noise {dose:g}", {}, {"test_random/accuracy": values}))
    return rows


@pytest.mark.parametrize(
    ("differences", "dose"),
    [
        ((0, 0.01, 0, 0.02, 0), 0.0),  # never more than ERM
        ((-0.4, -0.3, -0.2, -0.1, -0.05), None),  # always
        ((-0.33, -0.13, 0.07, 0.1, 0.1), "between"),
    ],
)
def test_the_dose_up_to_which_a_method_leans_more(tmp_path, differences, dose):
    [cue] = cues.cues_for(read(tmp_path, np.random.default_rng(0).normal(size=(40, 6))), 1)
    told = cues.responses(results(differences, cue), METHODS, cue, 0.12)
    found = cues.of_method([told], "mixup(1)")
    if dose == "between":  # halfway from -.13 to .07
        low, high = cue.within_share(0.25), cue.within_share(0.5)
        assert found == pytest.approx((low + high) / 2)
    else:
        assert found == dose
    assert told["own_within_share"] == 0.12
    assert np.shape(told["methods"]["mixup(1)"]["differences"]) == (5, 2)
