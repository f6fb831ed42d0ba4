"""Does test error go with the variance of the representation? ResNet-8 on CIFAR-10 under five losses, three seeds or more.

    python -m experiments.train --config=configs/cifar10/variance_small.py --workdir=runs/variance_small \
        --config.data.path=DIR_OR_ARCHIVE
    python -m experiments.evaluate --workdir=runs/variance_small --checkpoints=all

Fifteen epochs of 45,000 examples (5,000 are kept for temperatures), weight decay 5e-4, eight checkpoints. The same command
goes on where it stopped. Not run yet: no numbers are expected, and nothing is claimed.
"""

from configs.cifar_common import recipe


def get_config():
    config = recipe("cifar10", "resnet8", title="CIFAR-10, ResNet-8: error and variance under five losses")
    config.about = (
        "The paper's headline on a network that two CPU cores can train with seeds: label smoothing and Mixup, their test"
        " error, and the variance of features and outputs within the classes and in total."
    )
    config.seeds = 3
    config.epochs, config.steps = None, 5280  # fifteen epochs of 351 steps, and what makes eight equal parts
    config.log_every = 110
    config.eval_every = 0
    config.checkpoint_every = 660
    config.keep_checkpoints = 8
    config.data.train_size = 45_000
    config.optim.weight_decay = 5e-4
    config.optim.warmup = 330
    config.rows = {
        "ERM": {"method.name": "erm"},
        "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1},
        "LS .3": {"method.name": "label_smoothing", "method.smoothing": 0.3},
        "Mixup": {"method.name": "mixup"},
        "LS .1+Mixup": {"method.name": "mixup", "method.smoothing": 0.1},
    }
    return config
