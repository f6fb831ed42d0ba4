"""Mitigation of shortcuts (to be filled)."""

MITIGATIONS = (
    "erm", "reweight", "resample", "subsample", "group_dro", "irm", "vrex", "jtt", "dfr", "lisa", "within_groups",
    "across_attributes", "logit_adjustment",
)  # fmt: skip
#: What examples are balanced by.
BY = ("group", "class")
