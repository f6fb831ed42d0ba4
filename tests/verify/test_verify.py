"""Claims of recipes, judged anew; of runs that are there, without training."""

import json
from unittest.mock import Mock

import pytest

from lamv import recipes, verify
from lamv.config import defaults
from lamv.errors import DataError
from lamv.train import loop
from lamv.verify import stated, tables
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


def test_the_claims_are_those_that_the_recipe_makes_now(judged, monkeypatch):
    folder, content = judged
    config = recipes.load_any(RECIPE)
    config.claims = (("ERM", "train/loss", "<=", 50.0), ("LS", "train/loss", ">=", 0.5, "ERM"))
    monkeypatch.setattr(recipes, "load_any", lambda name: config)
    [one] = verify.verify([RECIPE], folder / "runs", folder / "now.json")["recipes"]
    assert [claim["bound"] for claim in one["claims"]] == [50.0, pytest.approx(one["claims"][0]["value"] / 2)]
    assert [claim["verdict"] for claim in one["claims"]] == ["holds clearly", "holds clearly"]


def test_what_was_evaluated_is_not_evaluated_again_for_a_number_that_is_not_there(judged, monkeypatch):
    folder, content = judged
    number = stated.Stated("page.md", "123.4 ± 5.6", (RECIPE,), False)
    monkeypatch.setattr(stated, "everywhere", lambda: [number])
    monkeypatch.setattr(verify.evaluate, "evaluate", evaluated := Mock(wraps=verify.evaluate.evaluate))
    for _ in range(2):
        again = verify.verify([RECIPE], folder / "runs", folder / "number.json")
        assert again["not_found"] == {"page.md": ["123.4 ± 5.6"]}
    assert evaluated.call_count <= 1
    assert again["recipes"][0]["claims"] == content["recipes"][1]["claims"]


def test_a_record_is_updated_with_what_is_judged_now_and_keeps_the_rest(judged):
    folder, content = judged
    out = folder / "record.json"
    out.write_text(json.dumps(content))
    again = verify.verify([RECIPE], folder / "runs", out, update=True)
    assert [one["recipe"] for one in again["recipes"]] == [f"{RECIPE}:cifar10", RECIPE]
    assert again["recipes"][0] == content["recipes"][0] and again["held"] == content["held"]
    measured = again["recipes"][1]["measured"]
    assert measured["versions"] == content["versions"] and measured["device"] == content["device"]


def test_a_recipe_that_was_judged_elsewhere_enters_a_record_in_the_place_of_what_it_has_of_it(judged, tmp_path):
    _, content = judged
    out = tmp_path / "record.json"
    out.write_text(json.dumps(content))
    without = content["recipes"][1] | {"claims": content["recipes"][1]["claims"][:1]}
    for one, names in ((without, 2), (without | {"recipe": "another"}, 3)):
        entered = verify.enter(one, out)
        assert json.loads(out.read_text()) == entered
        assert [it["recipe"] for it in entered["recipes"]] == [f"{RECIPE}:cifar10", RECIPE, "another"][:names]
        assert (entered["held"], entered["missed"]) == (names - 1, 0)
        assert entered["recipes"][-1] == one and one["recipe"] in out.with_suffix(".md").read_text()


def test_a_file_of_another_kind_is_not_taken_for_a_record(tmp_path):
    (tmp_path / "claims.json").write_text('{"recipes": [{"recipe": "digits_tag"}]}')
    with pytest.raises(DataError, match="no record of claims"):
        verify.verify([RECIPE], tmp_path, tmp_path / "claims.json")


def test_a_recipe_of_other_versions_says_so_on_the_page(judged):
    _, content = judged
    one = content["recipes"][1]
    measured = one["measured"] | {"versions": {"python": "3.11.7", "jax": "0.9.1"}}
    [line] = [text for text in tables.as_markdown(content | {"recipes": [one | {"measured": measured}]}).split("\n")
              if "0.9.1" in text]  # fmt: skip
    assert line.endswith(f"; {measured['date']}, {measured['device']}; python 3.11.7, jax 0.9.1.")
    assert one["measured"]["date"] + ".\n" in tables.as_markdown(content)


def test_papers_are_listed_with_what_was_recorded():
    claim = {"verdict": "holds"}
    one = {"recipe": "theory/collisions", "seconds": 1.2, "not_run": "", "claims": [claim, claim]}
    text = tables.of_papers({"recipes": [one]})
    [line] = [line for line in text.splitlines() if "collisions" in line]
    assert "experiments.theory --config=theory/collisions --workdir=runs/collisions" in line
    assert line.endswith("(1 s; 2 of 2 claims hold)") and "not reproduced: " in text
