"""What label smoothing adds to the loss, on examples that are classified rightly and on those that are not.

The cross-entropy against q = (1 - s) e_y + s / K is, exactly,

    -log p_y + s (z_y - mean z),      z the logits, p their softmax, s the smoothing, y the label

and MaxSup's loss is -log p_y + s (max z - mean z) (lamv.core.losses.max_suppression; NeurIPS 2025). With D_k = z_y - z_k
the term of smoothing, over s, is the mean of D_k over all classes k. MaxSup's paper splits it by the sign of D_k:

    regularisation   sum_k max(D_k, 0) / K     >= 0: minimised, it pulls the label's logit down to those below it
    amplification    sum_k min(D_k, 0) / K     <= 0, and 0 unless another logit is the largest: minimised, it drives the
                                               logits above the label's, which are errors, further up

and this module by the example as well: the term's mean over the examples with z_y = max z, and over the others.
"""

from collections.abc import Mapping

import numpy as np

from lamv.core.calibration import checked


def smoothing_parts(logits, labels) -> Mapping[str, float]:
    """The parts of E (z_y - mean z), in logits, for (N, K) logits and (N,) labels in [0, K):

    smoothing/term             E (z_y - mean z)
    smoothing/right, _/wrong   its parts on examples whose label has the largest logit (a tie counts), and on all others;
                               they sum to the term
    smoothing/regularisation   E of the first sum above, and
    smoothing/amplification    of the second; they sum to the term as well
    smoothing/apart            E (max z - z_y) >= 0: MaxSup's term minus that of smoothing. 0: the two are one loss
    smoothing/fitted           share of examples whose label has the largest logit; a fraction

    ValueError for shapes that do not fit and for no examples.
    """
    logits, labels = checked(logits, labels)
    of_label = logits[np.arange(len(labels)), labels]
    above = of_label[:, None] - logits
    term, right = above.mean(axis=1), of_label == logits.max(axis=1)
    parts = {
        "term": term, "right": term * right, "wrong": term * ~right,
        "regularisation": np.maximum(above, 0).mean(axis=1), "amplification": np.minimum(above, 0).mean(axis=1),
        "apart": -above.min(axis=1), "fitted": right,
    }  # fmt: skip
    return {f"smoothing/{name}": float(values.mean()) for name, values in parts.items()}
