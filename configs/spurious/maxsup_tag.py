"""Does MaxSup learn the tag as label smoothing does? The digits of configs/digits_tag.py, with right and with wrong labels.

    python -m experiments.train --config=configs/spurious/maxsup_tag.py --workdir=runs/maxsup_tag

Where every training label is fitted, MaxSup inherits the shortcut nearly whole. Mean ± sd, 5 seeds, random tag: ERM
86.1 ± 1.4, LS .1 26.3 ± 5.7, MaxSup .1 27.7 ± 5.0, LS .3 11.7 ± .9, MaxSup .3 13.5 ± 1.3 %. With 40 % of the labels redrawn
they part: test accuracy (the tag is right) at s = .3 is 98.7 ± .6 for smoothing and 94.6 ± 1.6 for MaxSup. 70 CPU seconds.
"""

from configs.spurious_common import ERM, crossed, digits, mixup, smoothing

SHARES = (0.03, 0.1, 0.3)
METHODS = {
    "ERM": ERM,
    **{f"LS {share:g}": smoothing(share) for share in SHARES},
    **{f"MaxSup {share:g}": {"loss.max_suppression": share} for share in SHARES},
    "Mixup": mixup(),
    "Mixup + MaxSup 0.1": mixup() | {"loss.max_suppression": 0.1},
}


def get_config():
    config = digits(
        "MaxSup and a tag",
        "MaxSup holds down the largest logit, smoothing that of the label. Does a network with MaxSup rely on the tag less?",
    )
    config.rows = crossed(METHODS, {"clean": {}, "noise": {"data.label_noise": 0.4}})
    config.eval_every = 0
    random, aligned = "test_random/accuracy", "test_aligned/accuracy"
    config.claims = (
        ("ERM · clean", random, ">=", 0.8),
        ("MaxSup 0.1 · clean", random, "<=", 0.5),
        ("MaxSup 0.3 · clean", random, "<=", 0.25),
        ("MaxSup 0.3 · noise", aligned, "<=", 0.99, "LS 0.3 · noise"),
    )
    return config
