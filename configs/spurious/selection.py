"""How much of the repair by pairs is selection? The same pairs mixed and not mixed (Teney et al. 2024).

    python -m experiments.train --config=configs/spurious/selection.py --workdir=runs/selection

The digits and the tag of digits_grid, without validation examples. Of the rules for pairs, lisa also balances the groups
from which batches are drawn. 96 CPU seconds.

Expected worst-group accuracy with a random tag, %, mean ± sd over 5 seeds:

             none     resample  lisa: mixed, not   within_groups: mixed, not   across_attributes: mixed, not
    ERM     48 ± 8    70 ± 7    80 ± 5   69 ± 8       45 ± 7    47 ± 9             0 ± 0    47 ± 9
    LS .1   28 ± 10   72 ± 13   81 ± 5   73 ± 11      22 ± 14   28 ± 11            0 ± 0    28 ± 10

LISA's selection is that of balanced batches, and two thirds of its repair under ERM, most of it under smoothing. The other
two rules select nothing that matters; mixing within groups does nothing here, mixing across attributes makes the tag all.
"""

from configs.spurious_common import ERM, crossed, digits, smoothing

RULES = ("lisa", "within_groups", "across_attributes")


def get_config():
    config = digits(
        "Pairs that are selected, and pairs that are mixed",
        "A rule for pairs mixes examples, and thereby draws some more often than others. Which of the two repairs a network"
        " that follows the tag? In rows “not mixed” both examples of each pair train as they are.",
    )
    mitigations = {"none": {}, "resample": {"mitigation.name": "resample"}}
    for rule in RULES:
        mitigations[rule] = {"mitigation.name": rule}
        mitigations[f"{rule}, not mixed"] = {"mitigation.name": rule, "mitigation.mixes": False}
    config.rows = crossed({"ERM": ERM, "LS .1": smoothing(0.1)}, mitigations)
    config.data.superclasses = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1)
    config.data.shortcut.reliability = 0.98
    config.log_every = 100
    worst = "test_random/worst_group_accuracy"
    config.claims = (
        # LISA: both; what is selected is what balanced batches select.
        ("ERM · lisa, not mixed", worst, ">=", 1.15, "ERM · none"),
        ("LS .1 · lisa, not mixed", worst, ">=", 1.5, "LS .1 · none"),
        ("ERM · lisa", worst, ">=", 1.05, "ERM · lisa, not mixed"),
        ("ERM · lisa, not mixed", worst, ">=", 0.85, "ERM · resample"),
        ("ERM · lisa, not mixed", worst, "<=", 1.15, "ERM · resample"),
        # The others select nothing that matters; mixing across attributes makes it worse.
        *(
            (f"ERM · {rule}, not mixed", worst, sign, factor, "ERM · none")
            for rule in RULES[1:]
            for sign, factor in ((">=", 0.8), ("<=", 1.2))
        ),
        ("ERM · across_attributes", worst, "<=", 0.1, "ERM · across_attributes, not mixed"),
    )
    return config
