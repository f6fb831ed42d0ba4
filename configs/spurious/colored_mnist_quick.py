"""configs/spurious/colored_mnist.py in a few minutes: two seeds, 100 steps.

python -m experiments.train --config=configs/spurious/colored_mnist_quick.py --workdir=runs/colored_quick
"""

from configs.spurious import colored_mnist


def get_config():
    config = colored_mnist.get_config()
    config.claims = ()
    config.seeds = 2
    config.steps = 100
    for name in ("irm", "vrex"):
        config.rows[f"IRM · {name}"]["mitigation.anneal"] = 50
    return config
