"""Texts with ten examples a class: does self-evolution, a Mixup for few texts, do what its parts promise?"""

from lamv import config as configs

EARLY, FIRST, STEPS = 20, 200, 600
MIXUP = {"method.name": "mixup"}
BOTH = {"method.name": "instance_mixup", "method.smoothing": 0.1}
# The first stage counts: the network sees as many batches as in other rows.
STAGED = {"mitigation.name": "easy_to_hard", "mitigation.first_steps": FIRST, "steps": STEPS - FIRST}
ROWS = {
    "ERM": {},
    "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1},
    "instance smoothing": {"method.name": "instance_smoothing", "method.smoothing": 0.1, "method.running_decay": 0.0},
    "instance smoothing, lag": {
        "method.name": "instance_smoothing",
        "method.smoothing": 0.1,
        "method.running_decay": 0.9,
    },
    "Mixup": MIXUP,
    "Mixup, LS .1": MIXUP | {"method.smoothing": 0.1},
    "instance Mixup": BOTH,
    "Mixup, staged": MIXUP | STAGED,
    "self-evolution": BOTH | STAGED,
    "self-evolution, early": BOTH | STAGED | {"mitigation.first_steps": EARLY, "steps": STEPS - EARLY},
}


def get_config(model: str = "embedding_bag"):
    config = configs.defaults()
    config.title = "Few texts: Mixup of embeddings and self-evolution"
    config.rows = ROWS
    config.seeds = 5
    config.steps = STEPS
    config.batch_size = 30
    config.log_every = 100
    config.data.name = "docstrings"
    config.data.per_class = 10
    config.data.text.vocabulary = 4000
    config.model.name = model
    config.optim.name = "adam"
    config.optim.lr = 3e-3 if model == "embedding_bag" else 1e-3
    return config
