"""Claims of recipes, judged anew; of runs that are there, without training."""

import json

import pytest

from lamv import verify
from lamv.config import defaults
from lamv.train import loop
from lamv.verify import tables
from tests.sessions import Shared

RECIPE = "tests/recipes/claiming.py"


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("lamv.train.loop", "lamv.evaluate"):
            patch.setattr(f"{module}.Session", Shared)
        content = verify.verify([f"{RECIPE}:cifar10", RECIPE], folder / "runs", folder / "claims.json")
    return folder, content


def test_every_claim_is_judged_with_its_number_bound_and_margin(judged):
    _, content = judged
    true, false, evaluated = content["recipes"][1]["claims"]
    assert [one["verdict"].split()[0] for one in (true, false, evaluated)] == ["holds", "misses", "holds"]
    assert true["value"] < 100 == true["bound"] and true["n"] == 2
    low, high = true["margin"]
    assert low < true["value"] - true["bound"] < high
    assert false["source"] == "measured here: 0 × ERM" and true["test"] == "one-sided"
    assert (content["held"], content["missed"], content["not_judged"]) == (2, 1, 0)


def test_claims_on_a_probe_are_judged_with_that_probe():
    config = defaults()
    config.data.name = "digits"
    config.claims = (("a", "test/accuracy", ">=", 0.5), ("a", "probe/unseen/features/accuracy", ">=", 0.5, "b"),
                     ("a", "probe/unseen/first/accuracy", "<=", 1.0))  # fmt: skip
    assert [(o.probe, o.transfer) for o in verify.evaluations(config)] == [(("features", "first"), "unseen")] * 2
    config.claims = (("a", "probe/digits/features/accuracy", ">=", 0.5),)
    assert [(o.probe, o.transfer) for o in verify.evaluations(config)] == [(("features",), "")] * 2
    config.claims = config.claims[:0]
    assert verify.evaluations(config) == list(verify.EVALUATIONS)


def test_a_recipe_without_its_data_is_listed_with_the_reason(judged):
    _, content = judged
    assert "cifar10" in content["recipes"][0]["not_run"] and not content["recipes"][0]["claims"]


def test_what_is_written_says_the_same(judged):
    folder, content = judged
    assert json.loads((folder / "claims.json").read_text()) == content
    page = (folder / "claims.md").read_text()
    assert tables.totals(content) in page and "not run" in page
    assert all(claim["quantity"] in page and claim["verdict"] in page for claim in content["recipes"][1]["claims"])


def test_a_finished_run_is_read_and_keeps_its_seconds(judged, monkeypatch):
    folder, content = judged

    def trained(*_, **__):
        raise AssertionError("it would be trained again")

    monkeypatch.setattr(loop, "_run", trained)
    again = verify.verify([RECIPE], folder / "runs", folder / "claims.json")
    first, second = content["recipes"][1], again["recipes"][0]
    assert second["read"] and second["seconds"] == first["seconds"] > 0
    assert second["claims"] == first["claims"]


def test_papers_are_listed_with_what_was_recorded():
    claim = {"verdict": "holds"}
    one = {"recipe": "theory/collisions", "seconds": 1.2, "not_run": "", "claims": [claim, claim]}
    text = tables.of_papers({"recipes": [one]})
    [line] = [line for line in text.splitlines() if "collisions" in line]
    assert "experiments.theory --config=theory/collisions --workdir=runs/collisions" in line
    assert line.endswith("(1 s; 2 of 2 claims hold)") and "not reproduced: " in text
