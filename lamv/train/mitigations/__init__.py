"""What the mitigation of a row does while it trains: a class each, with hooks (lamv.train.mitigations.base).

To add one: a class in a file of its own, and a line here and in lamv.catalog.mitigations.
"""

from lamv.train.mitigations.balanced import Resample, Reweight
from lamv.train.mitigations.base import Mitigation, nothing_kept
from lamv.train.mitigations.dfr import DFR
from lamv.train.mitigations.environments import IRM, VREx
from lamv.train.mitigations.group_dro import GroupDRO
from lamv.train.mitigations.jtt import JTT
from lamv.train.mitigations.logit_adjustment import LogitAdjustment
from lamv.train.mitigations.pairs import LISA, AcrossAttributes, WithinGroups

__all__ = ["MITIGATIONS", "Mitigation", "nothing_kept"]

MITIGATIONS: dict[str, type[Mitigation]] = {
    "erm": Mitigation,
    "reweight": Reweight,
    "resample": Resample,
    "subsample": Mitigation,
    "group_dro": GroupDRO,
    "irm": IRM,
    "vrex": VREx,
    "jtt": JTT,
    "dfr": DFR,
    "lisa": LISA,
    "within_groups": WithinGroups,
    "across_attributes": AcrossAttributes,
    "logit_adjustment": LogitAdjustment,
}
