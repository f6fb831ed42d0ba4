"""One row and one seed of Mixup, whose partners are of the whole batch, for a few steps."""

from tests.recipes import tiny


def get_config():
    config = tiny.get_config()
    config.rows = {"Mixup": {"method.name": "mixup", "method.law": "uniform(0, 1)"}}
    config.claims = ()
    config.seeds = 1
    config.steps = 20
    config.eval_every = 0
    return config
