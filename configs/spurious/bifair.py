"""Fair weights by bilevel optimisation (BiFair): what they cost, when they degenerate, and under label augmentation.

    python -m experiments.train --config=configs/spurious/bifair.py --workdir=runs/bifair

The synthetic data of the paper: P(y = 1 | a = 1) = 2/3, P(y = 1 | a = 0) = 1/3, x = (x1, a), x1 ~ N(y, 1); 600 train in each
seed, 5,400 test. Logistic regression, 2,000 outer steps of two updates on all examples. P(y) = P(a) = 1/2 here, so reweight
is the reweighing P(y) P(a) / P(y, a) of Kamiran & Calders (2012), up to sampling. 61 CPU seconds.

Expected on test, mean ± sd over 5 seeds: accuracy, %, and differences between attributes, points:

                   accuracy      EOD          AOD          SPD
    ERM            72.9 ± .5     47.3 ± 6.4   43.8 ± 7.6   54.2 ± 6.6
    reweight       69.7 ± .2      3.8 ± 2.7    3.3 ± 2.3   14.9 ± 3.3
    BiFair λ 1     70.0 ± .3      7.5 ± 5.3    6.0 ± 5.2   18.7 ± 4.8
    BiFair λ 2     70.1 ± .2      7.7 ± 4.4    6.2 ± 4.4   19.0 ± 4.0
    BiFair λ 0     54.5 ± 6.5     1.8 ± 2.9    1.1 ± 1.6    3.9 ± 5.5

λ 0 degenerates: in three of five seeds the network predicts one class. Under LS .1 all is as under ERM. Under Mixup reweight
leaves an EOD of 14.2 ± 2.5, as a mixture has the mean weight of its parts; BiFair, which learns weights for mixtures, 6.0 ±
4.5. Under ERM learned weights are no better than the counts of groups, where these are known.
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
