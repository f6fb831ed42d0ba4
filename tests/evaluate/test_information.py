"""The views of an example, from which the information in the logits is estimated."""

import jax
import numpy as np

from lamv.evaluate.information import views
from lamv.evaluate.passes import Passes


def test_the_views_of_an_image_differ_and_do_not_depend_on_the_others(mlp):
    [replicas], passes = mlp.replicas, Passes(mlp)
    table = jax.tree.map(lambda values: values[:, :20], mlp.plan.tests["test"])
    drawn = views(passes, replicas, table, 3)
    assert drawn.shape == (2, 20, 3, 10)
    assert np.all(np.abs(drawn[:, :, 0] - drawn[:, :, 1]).max(axis=-1) > 0)
    np.testing.assert_array_equal(views(passes, replicas, table, 2), drawn[:, :, :2])
