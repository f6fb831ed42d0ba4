"""Small recipes with some rows, expanded or refused."""

import pytest

from lamv import config as configs
from lamv.errors import ConfigError
from lamv.rows import expand


def recipe(rows=None, **knobs):
    """A recipe of ten steps with these rows."""
    config = configs.defaults()
    config.update_from_flattened_dict({"steps": 10} | knobs)
    config.rows = rows or {}
    return config


def expanded(rows=None, overrides=None, **knobs):
    """name -> config of every row."""
    return {row.name: row.config for row in expand(recipe(rows, **knobs), overrides)}


def refused(*words, rows=None, overrides=None, **knobs):
    """Expanding fails in one line that holds all the words."""
    with pytest.raises(ConfigError) as caught:
        expand(recipe(rows, **knobs), overrides)
    message = str(caught.value)
    assert "\n" not in message, f"an error is one line: {message!r}"
    for word in words:
        assert str(word) in message, f"{word!r} is missing: an error says what is wrong, what is allowed, what to do"
    return message
