"""Group DRO (Sagawa et al. 2020): the loss is a weighted mean over groups, and the weights of those that are worst grow."""

from lamv.core import mitigation
from lamv.train.mitigations.base import Weighing


class GroupDRO(Weighing):
    """`log_q`, the log weights, begin at 0: all groups count alike."""

    @property
    def shapes(self):
        return {"counts": (self.number,), "log_q": (self.number,)}

    def weighed(self, kept, knobs, made, losses, slopes, t):
        risk, mass = self.risks(losses, made)
        log_q, q = mitigation.group_dro(
            kept["log_q"], risk, mass, kept["counts"], step_size=knobs["step_size"], adjustment=knobs["adjustment"]
        )
        return self.row_weights(q, made, mass) * losses, {**kept, "log_q": log_q}
