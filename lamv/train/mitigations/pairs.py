"""Rules for who may be mixed with whom. A method that does not mix by itself gets a Mixup (lamv.train.step)."""

from lamv.core import mitigation
from lamv.train.mitigations.balanced import Resample
from lamv.train.mitigations.base import Mitigation


class LISA(Resample):
    """Same label and another attribute, or the reverse, drawn for each example; from balanced batches (Yao et al. 2022)."""

    @property
    def balances(self) -> str:
        return "group"

    def pairs(self, key, drawn, knobs):
        rows = drawn.draw.rows
        return rows._replace(allowed=mitigation.lisa(key, rows, drawn.labels, drawn.attributes, knobs["mix_ratio"]))


class WithinGroups(Mitigation):
    """Partners have the same label and the same attribute."""

    def pairs(self, key, drawn, knobs):
        rows = drawn.draw.rows
        return rows._replace(allowed=mitigation.within_groups(rows, drawn.groups))


class AcrossAttributes(Mitigation):
    """Partners have another attribute."""

    def pairs(self, key, drawn, knobs):
        rows = drawn.draw.rows
        return rows._replace(allowed=mitigation.across_attributes(rows, drawn.attributes))
