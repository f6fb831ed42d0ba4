"""Which mitigation repairs what label augmentation does? Eight methods by six mitigations on digits with a tag.

    python -m experiments.train --config=configs/spurious/digits_grid.py --workdir=runs/grid

Digits below five or not, with a tag of two values that is right for 98 % of the training images, so that the two small
groups have about 12 examples each of 1,200. Of the rest, 200 validate, with the tag right for half of them (dfr fits the
last layer on those), and 397 test. A last column has the pairs of lisa, not mixed, where the method does
not mix by itself. Four minutes of CPU time, most of it compilation.

Expected worst-group accuracy with a random tag, %, mean ± sd over 5 seeds (all of it: docs/spurious.md):

            none         reweight     group_dro    jtt          dfr          lisa         logit_adjustment
    ERM     48 ± 8       74 ± 5       71 ± 8       60 ± 7       85 ± 5       82 ± 3       84 ± 2
    LS .1   31 ± 8       77 ± 6       74 ± 7       53 ± 8       89 ± 3       82 ± 3        2 ± 3
    Mixup    1 ± 1       77 ± 2       73 ± 4       46 ± 17      88 ± 2       82 ± 3       11 ± 8

    lisa, not mixed: ERM 67 ± 7, LS .1 71 ± 10, LS .3 71 ± 6
"""

from configs.spurious_common import ERM, MIDPOINT, crossed, digits, mixup, smoothing

METHODS = {
    "ERM": ERM,
    "LS .1": smoothing(0.1),
    "LS .3": smoothing(0.3),
    "Mixup": mixup(),
    "LS+Mixup": {**mixup(), "method.smoothing": 0.1},
    "midpoint": MIDPOINT,
    "manifold": {"method.name": "manifold_mixup", "method.layers": ("input", "head")},
    "RegMixup": {"method.name": "regmixup"},
}
MITIGATIONS = {
    "none": {},
    **{name: {"mitigation.name": name} for name in ("reweight", "group_dro", "jtt", "dfr", "lisa", "logit_adjustment")},
}


def get_config():
    config = digits(
        "Digits with a tag: methods and mitigations",
        "A tag says the class of most training digits, and is wrong for a few. Label augmentation draws networks to the tag;"
        " which mitigation draws them back?",
    )
    config.rows = crossed(METHODS, MITIGATIONS)
    # The pairs of LISA as they are: how much of its repair is selection. A method that mixes has no such row.
    unmixed = {"lisa, not mixed": {"mitigation.name": "lisa", "mitigation.mixes": False}}
    config.rows |= crossed({name: METHODS[name] for name in ("ERM", "LS .1", "LS .3")}, unmixed)
    config.data.superclasses = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1)
    config.data.shortcut.reliability = 0.98
    config.data.shortcut.valid_reliability = 0.5
    config.data.valid_size = 200
    config.log_every = 100
    worst = "test_random/worst_group_accuracy"
    repairs = ("reweight", "group_dro", "dfr", "lisa")
    config.claims = (
        ("LS .1 · none", worst, "<=", 0.8, "ERM · none"),
        ("Mixup · none", worst, "<=", 0.1, "ERM · none"),
        *(
            (f"{method} · {name}", worst, ">=", 0.9, f"ERM · {name}")
            for method in ("LS .1", "Mixup")
            for name in repairs
        ),
        ("ERM · lisa, not mixed", worst, ">=", 1.15, "ERM · none"),
        ("ERM · lisa", worst, ">=", 1.05, "ERM · lisa, not mixed"),
        *(
            (f"{method} · logit_adjustment", worst, "<=", 0.3, "ERM · logit_adjustment")
            for method in ("LS .1", "Mixup")
        ),
    )
    return config
