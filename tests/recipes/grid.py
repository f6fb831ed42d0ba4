"""Two methods x two mitigations, each for a few steps: the smallest grid. A recipe for tests."""

from configs.spurious_common import ERM, crossed, digits, smoothing


def get_config():
    config = digits("grid", "Two methods and two mitigations.")
    config.rows = crossed({"ERM": ERM, "LS .1": smoothing(0.1)}, {"": {}, "DRO": {"mitigation.name": "group_dro"}})
    config.seeds = 2
    config.steps = 20
    config.log_every = 10
    config.eval_every = 10
    config.data.train_size = 200
    config.data.valid_size = 100
    config.data.superclasses = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1)
    config.data.shortcut.reliability = 0.9
    config.model.widths = (8,)
    config.select.rule = "valid_worst_group"
    config.claims = (("ERM", "test_aligned/accuracy", ">=", 0.1),)
    return config
