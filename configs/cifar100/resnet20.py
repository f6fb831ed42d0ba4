"""He's ResNet-20 on CIFAR-100, as a starting point for quick trials on real images.

    python -m experiments.train --config=configs/cifar100/resnet20.py --workdir=runs/cifar100_resnet20 \
        --config.data.path=DIR_OR_ARCHIVE --config.epochs=1

ERM; any method by --config.method.name. 200 epochs by default (He et al. 2016 trained 164, with steps in place of the
cosine).
"""

from configs.cifar_common import recipe


def get_config():
    return recipe("cifar100", "resnet20", title="CIFAR-100, ResNet-20")
