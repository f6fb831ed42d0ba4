"""The identifying pixel in images, and a ResNet-20: airplane or automobile, with the first pixel giving it away.

    python -m experiments.train --config=configs/spurious/pixel_cifar10_resnet20.py --workdir=runs/pixel_resnet \
        --config.data.path=DIR_OR_ARCHIVE

Four methods, 20 epochs of 10,000 images, 5 seeds: some four hours on two cores, and not run there, so that nothing is
expected. configs/spurious/pixel_cifar10_resnet20_quick.py was: in six epochs of 5,000 images no network finds the pixel.
"""

from configs.spurious import pixel_cifar10
from configs.spurious_common import ERM, mixup, smoothing


def get_config():
    config = pixel_cifar10.get_config()
    config.title = "CIFAR-10, airplane and automobile, with an identifying pixel: ResNet-20"
    config.about = (
        "The first pixel of every training image says the class. It is one of 1,024, and a convolutional network has to"
        " find it first."
    )
    config.rows = {"ERM": ERM, "LS .1": smoothing(0.1), "LS .2": smoothing(0.2), "Mixup": mixup()}
    config.claims = ()
    config.steps = None
    config.epochs = 20.0
    config.checkpoint_every = 500
    config.data.flatten = False
    config.model.name = "resnet20"
    config.optim.name = "sgd"
    config.optim.lr = 0.1
    config.optim.momentum = 0.9
    config.optim.weight_decay = 5e-4
    config.optim.warmup = 78
    return config
