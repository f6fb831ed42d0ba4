"""What the tests of floor 0 share: everything must hold eagerly and under jit alike."""

import jax
import pytest


@pytest.fixture(params=["eager", "jit"])
def run(request):
    """run(function): the function as it is, or compiled."""
    return jax.jit if request.param == "jit" else lambda function: function
