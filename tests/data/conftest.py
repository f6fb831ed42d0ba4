"""What the reader tests share: nearly all of them end in a refusal, which must be one line that names the culprit."""

import pytest

from lamv import data
from lamv.errors import DataError


@pytest.fixture
def refused():
    """refused(name, path, *words): loading fails with one line that holds all the words; returns the line."""

    def check(name, path, *words, verify="warn", error=DataError):
        with pytest.raises(error) as caught:
            data.load(name, path, verify)
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert str(word) in message
        return message

    return check
