"""He's ResNet-20 on CIFAR-10, as a starting point for quick trials on real images.

    python -m experiments.train --config=configs/cifar10/resnet20.py --workdir=runs/cifar10_resnet20 \
        --config.data.path=DIR_OR_ARCHIVE --config.epochs=1

ERM; any method by --config.method.name. 200 epochs by default (He et al. 2016 trained 164, with steps in place of the
cosine). One epoch: 54.8 % test accuracy (n = 1, seed 0) in 3.2 minutes on two CPU cores, on a copy of the images that went
through JPEG once.
"""

from configs.cifar_common import recipe


def get_config():
    return recipe("cifar10", "resnet20", title="CIFAR-10, ResNet-20")
