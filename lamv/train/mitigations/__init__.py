"""What the mitigation of a row does while it trains: a class each, with hooks (lamv.train.mitigations.base).

To add one: a class in a file of this folder, and a line here and in lamv.catalog.mitigations.
"""

from lamv.train.mitigations.base import Mitigation
from lamv.train.mitigations.bifair import BiFair
from lamv.train.mitigations.dfr import DFR
from lamv.train.mitigations.retraining import CRT, LORT
from lamv.train.mitigations.sampling import JTT, LISA, AcrossAttributes, EasyToHard, Resample, WithinGroups
from lamv.train.mitigations.weighing import IRM, GroupDRO, LogitAdjustment, Reweight, VREx

MITIGATIONS: dict[str, type[Mitigation]] = {
    "erm": Mitigation,
    "reweight": Reweight,
    "resample": Resample,
    "subsample": Mitigation,
    "group_dro": GroupDRO,
    "irm": IRM,
    "vrex": VREx,
    "jtt": JTT,
    "easy_to_hard": EasyToHard,
    "dfr": DFR,
    "lisa": LISA,
    "within_groups": WithinGroups,
    "across_attributes": AcrossAttributes,
    "logit_adjustment": LogitAdjustment,
    "bifair": BiFair,
    "lort": LORT,
    "crt": CRT,
}
