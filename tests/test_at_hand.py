"""What `make test-quick` runs: the tests that mirror a file."""

import pytest

from tests import at_hand


@pytest.mark.parametrize("path, tests", [
    ("lamv/core/mixing.py", ["tests/core/test_mixing.py", "tests/core/test_mixing_variants.py"]),
    ("lamv/config.py", ["tests/test_config.py"]),
    ("lamv/report/figures/accuracy.py", ["tests/report/test_figures.py"]),
    ("experiments/train.py", ["tests/test_launch.py"]),
    ("tests/core/test_laws.py", ["tests/core/test_laws.py"]),
    ("tests/core/test_gone.py", []),
    ("tests/pages.py", []),
    ("examples/flax_nnx.py", ["tests/test_examples.py"]),
    ("examples/paper.ipynb", ["tests/test_notebooks.py"]),
    ("README.md", []),
])  # fmt: skip
def test_the_tests_of_a_file(path, tests):
    assert at_hand.tests_of(path) == tests


def test_without_tests_of_its_name_a_file_has_those_of_its_folder_that_are_not_long():
    found = at_hand.tests_of("lamv/train/variants.py")
    assert "tests/train/test_summary.py" in found and "tests/train/test_mitigated.py" not in found
    assert all((at_hand.ROOT / test).exists() for test in found)


def test_what_is_long_is_there():
    assert all((at_hand.ROOT / "tests" / name).exists() for name in at_hand.LONG)
