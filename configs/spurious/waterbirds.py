"""Methods and mitigations on photographs: Waterbirds, CelebA, or a folder of your own.

    python -m experiments.train --config=configs/spurious/waterbirds.py --workdir=runs/waterbirds --config.data.path=DIR
    python -m experiments.train --config=configs/spurious/waterbirds.py:celeba --workdir=runs/celeba --config.data.path=DIR
    python -m experiments.train --config=configs/spurious/waterbirds.py:image_folder --workdir=runs/me --config.data.path=DIR

ResNet-18 from scratch on 64 x 64 pixels, for an accelerator; numbers are of the step with the best worst-group accuracy in
validation. Published results start from a ResNet-50 trained on ImageNet, at 224 pixels: these do not compare with them.
There are no expected numbers here, since the files were not at hand.
"""

from configs.spurious_common import ERM, crossed, mixup, smoothing
from lamv import config as configs


def get_config(data: str = "waterbirds"):
    config = configs.defaults()
    config.title = f"{data}: methods and mitigations"
    config.about = "Background goes along with the bird, hair with the face: what is learned, and what helps?"
    methods = {"ERM": ERM, "LS .1": smoothing(0.1), "Mixup": mixup(0.2)}
    mitigations = {"": {}, **{name: {"mitigation.name": name} for name in ("reweight", "group_dro", "dfr", "lisa")}}
    config.rows = crossed(methods, mitigations)
    config.seeds = 3
    config.epochs = 50.0 if data == "celeba" else 300.0
    config.batch_size = 128
    config.eval_every = 1000
    config.checkpoint_every = 1000
    config.data.name = data
    config.data.image_size = 64
    config.data.augment.flip = True
    config.model.name = "resnet18"
    config.optim.name = "sgd"
    config.optim.lr = 1e-3
    config.optim.weight_decay = 1e-4
    config.optim.schedule = "constant"
    config.select.rule = "valid_worst_group"
    return config
