"""Fair weights by bilevel optimisation: what they cost, when they degenerate, and under label augmentation.

python -m experiments.train --config=configs/spurious/bifair.py --workdir=runs/bifair
"""

from configs.spurious_common import ERM, crossed, mixup, smoothing
from lamv import config as configs

MITIGATIONS = {
    "none": {},
    "reweight": {"mitigation.name": "reweight"},
    **{
        f"BiFair λ {factor:g}": {"mitigation.name": "bifair", "mitigation.utility": factor}
        for factor in (1.0, 2.0, 0.0)
    },
}


def get_config():
    config = configs.defaults()
    config.title = "BiFair: weights of examples that are learned to be fair"
    config.about = (
        "A label is likelier with one value of an attribute than with the other, and a network that uses this finds the"
        " favourable label less often for the others. Weights of examples, learned through the updates of the network, make"
        " the losses of the two alike."
    )
    config.rows = crossed({"ERM": ERM}, MITIGATIONS) | crossed(
        {"LS .1": smoothing(0.1), "Mixup": mixup()},
        {name: MITIGATIONS[name] for name in ("none", "reweight", "BiFair λ 1")},
    )
    config.seeds = 5
    config.steps = 2000
    config.batch_size = 600
    config.data.name = "bifair_synthetic"
    config.data.train_size = 600
    config.data.normalise = False
    config.model.name = "linear"
    config.optim.name = "adam"
    config.optim.lr = 1e-2
    config.optim.schedule = "constant"
    config.claims = (
        *(
            claim
            for row in ("ERM · BiFair λ 1", "ERM · BiFair λ 2", "LS .1 · BiFair λ 1", "Mixup · BiFair λ 1")
            # Five points of the 73 % of ERM.
            for claim in ((row, "test/eod", "<=", 0.1), (row, "test/accuracy", ">=", 0.93, "ERM · none"))
        ),
        ("ERM · none", "test/eod", ">=", 0.3),
        ("ERM · reweight", "test/eod", "<=", 0.1),
        ("Mixup · reweight", "test/eod", ">=", 1.5, "Mixup · BiFair λ 1"),
        ("ERM · BiFair λ 0", "test/accuracy", "<=", 0.9, "ERM · none"),
    )
    return config
