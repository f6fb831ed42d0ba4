"""Label smoothing against label noise, and the backward correction, which is smoothing with a negative sign.

python -m experiments.train --config=configs/label_noise.py --workdir=runs/label_noise

A share r of the training labels is drawn anew from all ten classes, once and for all; test labels are clean. In
expectation the noisy label is the clean one smoothed by r. Smoothing adds more of the same, and shrinks what can be
memorised (Lukasik et al., ICML 2020). The backward correction, targets (q - (r / K) 1) / (1 - r), has on noisy labels the
expected loss of clean ones (Patrini et al., CVPR 2017), but its targets off the label are negative: the loss of a network
that can fit each label by itself has no floor, and what is right in expectation is fitted example by example. Half a
minute on two cores.

Expected, mean ± sd over 5 seeds, r = 0.4, test accuracy in % (test NLL in nats; accuracy without noise):

    ERM           88.7 ± 1.3  ( .67 ± .04;  97.5 ± .4)
    LS .1         89.7 ± 1.2  ( .75 ± .03;  98.0 ± .4)
    LS .5         91.6 ± 1.6  (1.16 ± .03;  98.2 ± .8)
    OLS .5        90.1 ± 1.2  ( .90 ± .03;  98.3 ± .4)
    Mixup         92.6 ± 1.3  ( .65 ± .03;  96.6 ± .3)
    correction    82.2 ± 2.1  (2.00 ± .58;  97.5 ± .4)

OLS is online label smoothing: towards the mean right prediction of the last epoch for the class. It is above ERM and below
label smoothing of the same share: predictions that fit the noise count as right.

Training accuracy is against the clean labels, so a network that memorised the noise stays below 100 %.
"""

from configs.spurious_common import ERM, crossed, mixup, smoothing
from lamv import config as configs

RATES = (0.0, 0.2, 0.4, 0.6)
ONLINE = {"method.name": "online_smoothing", "method.smoothing": 0.5}
METHODS = {"ERM": ERM, "LS .1": smoothing(0.1), "LS .5": smoothing(0.5), "OLS .5": ONLINE, "Mixup": mixup()}


def get_config():
    config = configs.defaults()
    config.title = "Label noise, smoothing and its negative"
    config.about = (
        "A share of the training labels is wrong. Smoothing adds to the noise in expectation, and yet it may help; the"
        " backward correction takes the noise away in expectation, and yet it may not."
    )
    config.rows = crossed(METHODS, {f"r = {rate:g}": {"data.label_noise": rate} for rate in RATES}) | {
        f"correction · r = {rate:g}": {
            "method.name": "noise_correction", "method.noise_rate": rate, "data.label_noise": rate
        }
        for rate in RATES
    }  # fmt: skip
    config.seeds = 5
    config.steps = 1000
    config.log_every = 100
    config.data.name = "digits"
    config.data.flatten = True
    config.model.name = "mlp"
    config.model.widths = (64,)
    config.optim.name = "adam"
    config.optim.lr = 5e-3
    accuracy = "test/accuracy"
    config.claims = (
        ("ERM · r = 0.4", accuracy, "<=", 0.98, "ERM · r = 0"),
        ("LS .5 · r = 0.4", accuracy, ">=", 1.0, "ERM · r = 0.4"),
        ("LS .5 · r = 0.4", accuracy, ">=", 1.0, "LS .1 · r = 0.4"),
        ("OLS .5 · r = 0.4", accuracy, ">=", 1.0, "ERM · r = 0.4"),
        ("OLS .5 · r = 0.4", accuracy, "<=", 1.0, "LS .5 · r = 0.4"),
        ("Mixup · r = 0.4", accuracy, ">=", 1.0, "ERM · r = 0.4"),
        ("correction · r = 0.4", accuracy, "<=", 1.0, "ERM · r = 0.4"),
        ("correction · r = 0.4", "test/nll", ">=", 2.0, "ERM · r = 0.4"),
    )
    return config
