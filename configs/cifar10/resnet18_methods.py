"""ResNet-18 on CIFAR-10 under eight methods side by side: SGD, lr 0.1, weight decay 5e-4, batch 128, 200 epochs.

    python -m experiments.train --config=configs/cifar10/resnet18_methods.py --workdir=runs/cifar10_methods \
        --config.data.path=DIR_OR_ARCHIVE

For an accelerator. Shorter: --config.epochs=15. --config.model.dtype=bfloat16 computes in short floats.
"""

from configs.cifar_common import published, recipe


def get_config():
    config = recipe("cifar10", "resnet18", title="CIFAR-10, ResNet-18: the family side by side")
    config.optim.weight_decay = 5e-4
    config.rows = {
        "ERM": {"method.name": "erm"},
        "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1},
        "Mixup": {"method.name": "mixup"},
        "midpoint": {"method.name": "midpoint"},
        "manifold": {"method.name": "manifold_mixup", "method.alpha": 2.0,
                     "method.layers": ("input", "stage1_block0", "stage2_block0", "stage3_block0")},
        "RegMixup": {"method.name": "regmixup", "method.alpha": 10.0},
        "CutMix": {"method.name": "cutmix"},
        "FMix": {"method.name": "fmix"},
    }  # fmt: skip
    config.published = (published("ERM", "erm", 5e-4), published("Mixup", "mixup", 5e-4))
    return config
