"""Ten texts a class: does self-evolution, a Mixup for few texts (Zheng et al., EMNLP 2023), do what its parts promise?

    python -m experiments.train --config=configs/few_shot_text.py --workdir=runs/few_shot_text
    python -m experiments.train --config=configs/few_shot_text.py:text_transformer --workdir=runs/few_shot_transformer

Texts are the first 20 words of docstrings of numpy, scipy, scikit-learn, matplotlib, jax and flax, without the names of these;
which library is it? Embeddings are mixed. "instance smoothing" is q = (1 - .1) e_y + .1 p, p the network's own prediction one
epoch before (lag: its running mean); "instance Mixup" mixes labels that were smoothed so, by the current prediction;
"staged" is 200 steps of ERM, then the half of smaller losses, then the other half; "self-evolution" is both.
"""

from lamv import config as configs

EARLY, FIRST, STEPS = 20, 200, 600
MIXUP = {"method.name": "mixup"}
BOTH = {"method.name": "instance_mixup", "method.smoothing": 0.1}
OWN = {"method.name": "instance_smoothing", "method.smoothing": 0.1}


def staged(first: int) -> dict:
    """The first stage counts: the network sees as many batches as in other rows."""
    return {"mitigation.name": "easy_to_hard", "mitigation.first_steps": first, "steps": STEPS - first}


ROWS = {
    "ERM": {},
    "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1},
    "instance smoothing": OWN | {"method.running_decay": 0.0},
    "instance smoothing, lag": OWN | {"method.running_decay": 0.9},
    "Mixup": MIXUP,
    "Mixup, LS .1": MIXUP | {"method.smoothing": 0.1},
    "instance Mixup": BOTH,
    "Mixup, staged": MIXUP | staged(FIRST),
    "self-evolution": BOTH | staged(FIRST),
    "self-evolution, early": BOTH | staged(EARLY),
}


def get_config(model: str = "embedding_bag"):
    config = configs.defaults()
    config.title = "Few texts: Mixup of embeddings and self-evolution"
    config.about = (
        "Ten texts a class, of six classes. Mixup of embeddings is to help few texts, and self-evolution (labels that lean"
        " on the network's own predictions, easy examples before hard ones) is to help Mixup. Which of it does?"
    )
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
