"""What is listed of papers can be run."""

from lamv import places
from lamv.catalog.papers import PAPERS


def test_every_recipe_of_a_paper_exists_and_what_has_none_says_why():
    known = places.recipes()
    for paper in PAPERS:
        assert paper.reports, paper.cite
        for one in paper.reports:
            named = [name for name in (one.recipe, one.quick, one.accelerator) if name]
            assert set(named) <= set(known), one
            assert one.recipe or one.missing, one


def test_no_recipe_with_claims_is_left_out():
    """All but starting points, the user's own data, and what begins another recipe."""
    listed = {name for paper in PAPERS for one in paper.reports for name in (one.recipe, one.quick, one.accelerator)}
    left_out = {name.rpartition("/")[2] for name in set(places.recipes()) - listed}
    assert left_out <= {
        "digits_tag", "own_data", "teachers", "resnet20", "resnet18_erm", "resnet18_label_smoothing", "resnet18_mixup",
        "dose_response", "pixel_cifar10_resnet20", "pixel_cifar10_resnet20_quick",
    }, left_out  # fmt: skip
