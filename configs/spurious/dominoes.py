"""The simpler half: a garment above a vehicle, either of which tells the class. Fashion-MNIST over CIFAR-10.

    python -m experiments.train --config=configs/spurious/dominoes.py --workdir=runs/dominoes \
        --config.data.path=DIR_OR_ARCHIVE
"""

from configs.spurious_common import ERM, crossed, mixup, smoothing
from lamv import config as configs


def get_config():
    config = configs.defaults()
    config.title = "Dominoes: Fashion-MNIST over CIFAR-10"
    config.about = (
        "Each image is two, one above the other: a garment, simple, and a vehicle, which is what is to be recognised."
        " In training the garment nearly always says the class too. What does the network look at?"
    )
    methods = {"ERM": ERM, "LS .1": smoothing(0.1), "Mixup": mixup()}
    config.rows = crossed(
        methods, {"": {}, "reweight": {"mitigation.name": "reweight"}, "DFR": {"mitigation.name": "dfr"}}
    )
    config.seeds = 5
    config.epochs = 6.0
    config.batch_size = 128
    config.data.name = "cifar10"
    config.data.classes = (0, 1)  # airplane, automobile
    config.data.train_size = 9000
    config.data.valid_size = 1000
    config.data.shortcut.kind = "dominoes"
    config.data.shortcut.images = "fashion_mnist"
    config.data.shortcut.images_classes = (0, 1)  # T-shirt, trouser
    config.data.shortcut.strength = 1.0
    config.data.shortcut.reliability = 0.9
    config.data.shortcut.valid_reliability = 0.5
    config.model.name = "cnn"
    config.model.widths = (16, 32, 64)
    config.optim.name = "adam"
    config.optim.lr = 2e-3
    return config
