"""ResNet-18 on CIFAR-100 with label smoothing 0.1: SGD, lr 0.1, weight decay 1e-4, batch 128, 200 epochs.

    python -m experiments.train --config=configs/cifar100/resnet18_label_smoothing.py --workdir=runs/cifar100_ls \
        --config.data.path=DIR_OR_ARCHIVE

One of three that differ in the method alone (erm, label_smoothing, mixup). For an accelerator: an epoch takes most of
an hour on two CPU cores. --config.model.dtype=bfloat16 computes in short floats.
"""

from configs.cifar_common import method_recipe


def get_config():
    return method_recipe("cifar100", "resnet18", "label_smoothing")
