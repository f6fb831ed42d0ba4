"""Mixup learns rare features where ERM memorises noise: the feature-noise model of Zou et al. (2023).

    python -m experiments.theory --config=configs/theory/rare_features.py --workdir=runs/rare_features

40 points of each class, 3 of them with the rare feature. ERM fits these by their noise, and on new points goes by the
feature noise, a coin. Mixup learns the rare feature, with weights of its own for the targets too. Mixup may be stopped
early, but not as early as step 125 of 500: the rare feature is then too small to outweigh the feature noise later on.

20 s on 2 CPU cores for 100 trainings of 500 full-batch steps over all 6,400 pairs. Accuracy on rare test points in % and
largest <w, feature>, 10 seeds, mean ± sd; accuracy on common points is 100 but for the last row (98.6 ± 0.5):

                                 rare accuracy   common feature   rare feature
    ERM                           50.5 ± 0        2.30 ± .13      .04 ± .01
    Mixup, lam = .7              100.0 ± 0        1.57 ± .09     1.18 ± .08
    lam = .7, tau = .6           100.0 ± 0        1.93 ± .11     1.35 ± .09
    lam = .7, tau = .8           100.0 ± 0        1.58 ± .09     1.01 ± .07
    lam = .7, tau = .9            99.6 ± 0.5      1.79 ± .11      .70 ± .06
    Mixup, uniform lam           100.0 ± 0        1.53 ± .09      .98 ± .05
    Mixup, ERM from step 125      79.1 ± 9.7      2.33 ± .14      .71 ± .06
    Mixup, ERM from step 250     100.0 ± 0        2.30 ± .13     1.01 ± .08
    ERM, Mixup from step 250     100.0 ± 0        1.41 ± .08      .73 ± .04
    Mixup, features anywhere      75.5 ± 4.7      1.09 ± .06      .45 ± .04

One check of 12 falls short, that of stopping at step 125.
"""

from lamv.theory import recipe


def get_config():
    return recipe(
        "rare_features",
        title="Rare features under ERM and Mixup",
        about="Two classes with a common and a rare feature each, and noise to memorise: who learns the rare feature?",
        seeds=10,
    )
