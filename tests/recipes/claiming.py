"""A recipe that claims something true, something false, and something that only an evaluation measures."""

from tests.recipes import tiny


def get_config(data: str = "digits"):
    config = tiny.get_config()
    config.rows = {"ERM": {}, "LS": {"method.name": "label_smoothing", "method.smoothing": 0.1}}
    config.seeds, config.steps, config.data.name = 2, 4, data
    config.claims = (
        ("ERM", "train/loss", "<=", 100.0),
        ("LS", "train/loss", "<=", 0.0, "ERM"),
        ("ERM", "test/temperature", ">=", 0.0),
    )
    return config
