"""Dose and response: what makes a curve, and where it crosses that of ERM, by hand."""

import numpy as np
import pytest

from lamv.compare import baseline, doses
from lamv.core.intervals import over_seeds
from lamv.report import sections
from lamv.results import runs
from lamv.results.records import spread
from tests import workdirs

DOSES = (0.0, 0.1, 0.2, 0.4)


def row(name, values, noise=0.0, strength=0.5, method="label_smoothing", **knobs):
    """A row with the given accuracies, by seed, under a random cue."""
    made = workdirs.row(name, {"test_random/accuracy": values, "train/loss": [0.1] * len(values)}, method=method)
    return workdirs.changed(made, data__shortcut__noise=noise, data__shortcut__strength=strength, **knobs)


def rows_of(differences, erm=0.6, seeds=3, **knobs):
    """ERM, of accuracy `erm`, and LS, which differs from it by these at the doses; seeds lie 0.01 apart in both."""
    own = [erm + 0.01 * seed for seed in range(seeds)]
    stored = [row(f"ERM · noise {dose}", own, dose, method="erm", **knobs) for dose in DOSES]
    stored += [
        row(f"LS · noise {dose}", [v + d for v in own], dose, **knobs)
        for dose, d in zip(DOSES, differences, strict=True)
    ]
    return runs.rows_of({"rows": stored})


def crossings_of(means, seeds=1):
    values = np.tile(np.asarray(means, float), (seeds, 1))
    return doses.crossings(doses.DoseDifference(np.array(DOSES), values))


@pytest.mark.parametrize("means, expected", [
    ([-0.3, -0.1, 0.1, 0.2], [(0.15, True)]),
    ([-0.3, -0.1, 0.3, 0.2], [(0.125, True)]),
    ([0.3, 0.1, -0.1, -0.1], [(0.15, False)]),
    ([-0.1, 0.1, -0.1, 0.3], [(0.05, True), (0.15, False), (0.25, True)]),
    ([-0.1, 0.0, 0.1, 0.1], [(0.1, True)]),  # at a dose itself
    ([-0.1, 0.0, 0.0, 0.1], [(0.15, True)]),  # 0 from 0.1 to 0.2
    ([-0.1, 0.0, -0.1, -0.2], []),  # touches and turns back
    ([0.0, 0.0, 0.1, 0.2], []),
    ([0.1, 0.2, 0.3, 0.4], []),
    ([0.0, 0.0, 0.0, 0.0], []),
])  # fmt: skip
def test_a_crossing_is_where_the_line_through_the_means_changes_its_sign(means, expected):
    found = crossings_of(means)
    assert [(c.at, c.rises) for c in found] == [(pytest.approx(at), rises) for at, rises in expected]
    assert all(c.interval is None for c in found), "of one seed there is no interval over seeds"


def test_of_one_shift_a_seed_the_interval_is_that_of_the_shift():
    """Two doses, slope 1 / 0.4: a seed crosses at 0.2 - 0.4 x its shift, so the ends are those of the mean shift."""
    shifts = np.array([-0.10, -0.02, 0.0, 0.03, 0.09])
    values = np.stack([shifts - 0.5, shifts + 0.5], axis=1)
    [found] = doses.crossings(doses.DoseDifference(np.array([0.0, 0.4]), values))
    mean, low, high = over_seeds(shifts)
    np.testing.assert_allclose([found.at, *found.interval], 0.2 - 0.4 * np.array([mean, high, low]), atol=1e-12)


def test_at_the_ends_the_interval_of_the_difference_ends_at_0():
    values = np.random.default_rng(0).normal([-0.5, -0.2, 0.3, 0.6], 0.2, size=(5, 4))
    at = np.array(DOSES)
    [found] = doses.crossings(doses.DoseDifference(at, values))
    assert found.interval[0] < found.at < found.interval[1]
    for end in found.interval:
        difference = over_seeds([np.interp(end, at, own) for own in values])
        assert min(abs(difference.low), abs(difference.high)) == pytest.approx(0, abs=1e-9)


def test_intervals_hold_the_crossing_as_often_as_they_say():
    """Noise that seeds share over the doses, and noise of each dose; the true crossing is at 0.15."""
    rng, held = np.random.default_rng(0), []
    for _ in range(1000):
        values = [-0.3, -0.1, 0.1, 0.3] + rng.normal(0, 0.03, size=(5, 1)) + rng.normal(0, 0.03, size=(5, 4))
        found = doses.crossings(doses.DoseDifference(np.array(DOSES), values))
        held.append(any(low <= 0.15 <= high for _, _, (low, high) in found))
    assert 0.935 < np.mean(held) < 0.965


def test_seeds_that_differ_alike_at_all_doses_do_not_cross():
    """The difference is 0.1 above 0 at every dose in each seed, however far apart the seeds are."""
    base = np.array([-5.0, 0.0, 5.0])
    panel = [(dose, base + dose) for dose in DOSES]
    values = np.stack([own - (base + dose) + 0.1 for dose, own in panel], axis=1)
    assert doses.crossings(doses.DoseDifference(np.array(DOSES), values)) == []


def test_curves_are_those_of_a_method_and_are_named_by_what_their_rows_share():
    [panel] = doses.of(rows_of([-0.3, -0.1, 0.1, 0.2]))
    assert [(curve.name, curve.erm, list(curve.rows)) for curve in panel.curves] == [
        ("ERM", True, list(DOSES)),
        ("LS", False, list(DOSES)),
    ]
    assert panel.knob == "data.shortcut.noise" and panel.fixed == ""
    found = doses.difference(panel.curves[1], panel.baseline)
    np.testing.assert_allclose(found.values, np.tile([-0.3, -0.1, 0.1, 0.2], (3, 1)))
    assert sections.crossings(panel.curves[1], panel.baseline) == ["0.15 [0.15, 0.15]: from below ERM to above"]


def test_only_the_seeds_that_all_doses_have_count():
    rows = rows_of([-0.3, -0.1, 0.1, 0.2])
    rows[5] = rows[5]._replace(
        metrics={"test_random/accuracy": spread([0.51, 0.52])}, seeds={"test_random/accuracy": (1, 2)}
    )
    [panel] = doses.of(rows)
    np.testing.assert_allclose(
        doses.difference(panel.curves[1], panel.baseline).values, np.tile([-0.3, -0.1, 0.1, 0.2], (2, 1))
    )


def test_two_doses_are_two_panels_at_the_value_that_most_rows_have():
    values = [0.7, 0.71, 0.72]
    stored = []
    for method in ("erm", "label_smoothing"):
        stored += [row(f"{method} n{noise}", values, noise, 0.5, method) for noise in DOSES]
        stored += [row(f"{method} s{strength}", values, 0.0, strength, method) for strength in (0.1, 1.0, 2.0)]
        stored.append(row(f"{method} both", values, 0.4, 2.0, method))
    found = doses.of(runs.rows_of({"rows": stored}))
    assert [(panel.knob, panel.fixed, list(panel.curves[0].rows)) for panel in found] == [
        ("data.shortcut.noise", "strength of the cue 0.5", list(DOSES)),
        ("data.shortcut.strength", "noise on the cue 0", [0.1, 0.5, 1.0, 2.0]),
    ]


def test_rows_under_different_mitigations_are_panels_of_their_own():
    rows = rows_of([-0.3, -0.1, 0.1, 0.2]) + rows_of([0.1] * 4, mitigation__name="group_dro", mitigation__by="group")
    assert [panel.fixed for panel in doses.of(rows)] == ["no mitigation", "group_dro"]


def test_two_doses_or_one_method_are_no_curve():
    rows = rows_of([-0.3, -0.1, 0.1, 0.2])
    assert doses.of(rows[:4]) == [] and doses.of([rows[i] for i in (0, 1, 4, 5)]) == []
    assert doses.of([]) == [] and baseline.common_name([]) == ""
