"""Two rows, two seeds, forty steps of a small network on digits: a whole run in a few seconds."""

from lamv import config as configs


def get_config():
    config = configs.defaults()
    config.title = "tiny"
    config.rows = {"ERM": {}, "Mixup": {"method.name": "mixup", "optim.weight_decay": 1e-3}}
    config.claims = (("ERM", "test/accuracy", ">=", 0.5),)
    config.seeds = 2
    config.steps = 40
    config.batch_size = 32
    config.log_every = 10
    config.eval_every = 20
    config.checkpoint_every = 10
    config.data.train_size = 256
    config.data.flatten = True
    config.data.normalise = False
    config.data.shortcut.kind = "tag"
    config.model.widths = (16,)
    config.optim.name = "adam"
    config.optim.lr = 0.01
    return config
