"""What the metrics of an evaluation mean, for "How to read this": only those that a page has numbers for."""

import re
from collections.abc import Iterable, Sequence

from lamv.catalog import mitigations
from lamv.compare import selections
from lamv.results.records import Row, Term

#: (pattern that a metric's key must hold, term), in the order of the page.
TERMS: tuple[tuple[str, Term], ...] = (
    (r"within_over_total", Term(
        "V_W / V_T", "Share of the total variance that lies within classes: 0 where all examples of a class have one"
        " activation, 1 where the means of classes coincide.")),
    (r"within_over_mean_square", Term(
        "within / mean square", "V_W over E ‖h‖², which does not change when all activations are scaled.")),
    (r"layers/", Term(
        "layers", "Hidden layers in order of depth. Units of a feature map are its channels, averaged over positions.")),
    (r"/logits/", Term("logits", "What the last layer gives, before the softmax.")),
    (r"collapse/nc1", Term(
        "NC1", "Variability within classes over that between them: trace(Σ_W Σ_B⁺) / K, with Σ_B⁺ the pseudo-inverse of the"
        " covariance of class means; the ratio of traces is trace Σ_W / trace Σ_B.")),
    (r"collapse/nc2", Term(
        "NC2", "How far the centred class means (or the columns of the last layer’s weights, as they are) are from being of"
        " one length (coefficient of variation of lengths) and at equal, widest angles (mean distance of the cosines from"
        " −1 / (K − 1)).")),
    (r"collapse/nc3", Term(
        "NC3", "Squared distance between the last layer’s weights and the centred class means, each matrix divided by its"
        " norm; 0 to 4.")),
    (r"collapse/nc4", Term("NC4", "Share of examples for which the network and the nearest class mean disagree.")),
    (r"/separation$", Term(
        "class separation", "Kornblith’s R²: 1 minus the mean cosine distance of features within classes over that among all"
        " examples.")),
    (r"/effective_rank$", Term(
        "effective rank", "exp of the entropy of the singular values of the centred features: in how many directions they"
        " vary.")),
    (r"/(feature|logit)_norm|/max_logit_mean", Term("norms", "Euclidean lengths of features and of logits, by example.")),
    (r"/nll$", Term("negative log-likelihood", "Mean of −ln of the probability given to the label, in nats.")),
    (r"/brier$", Term("Brier score", "Mean squared distance between the probabilities and the one-hot label.")),
    (r"/ece", Term(
        "ECE", "Expected calibration error: mean distance of accuracy from confidence over 15 bins of confidence, of equal"
        " width or of equal mass, weighted by their examples.")),
    (r"/temperature$|_scaled$", Term(
        "temperature scaling", "Logits are divided by one number T, fitted to the likelihood of held-out examples. T above 1"
        " means that the network was too sure, below 1 not sure enough. It changes no decision.")),
    (r"/aurc", Term(
        "AURC", "Area under the curve of risk over coverage: the mean error when the examples that a network is surest of"
        " are answered first. Surest by the maximum probability, the maximum logit, or that of the centred logits over their"
        " norm.")),
    (r"/margin_", Term(
        "margin", "Logit of the label minus the largest other logit; below 0 where an example is misclassified. The"
        " coefficient of variation is sd over mean.")),
    (r"^augmented/", Term(
        "own augmented inputs", "Training inputs as the method of the row makes them, with the targets that its loss sees."
        " A cell is the set of inputs with one target (a label under smoothing; two labels and λ under Mixup): “within”"
        " is the variance given the cell.")),
    (r"^augmented/floor", Term("entropy floor", "Mean entropy of the targets: no network has a lower cross-entropy.")),
    (r"^augmented/(bound|variance|slack|kl)", Term(
        "bound", "Loss ≥ floor + KL + variance term, by a second-order bound on −ln. KL is the divergence of a cell’s mean"
        " output from its target; the variance term weighs the variance of each output within a cell by the target, at the"
        " factor 1/2 or at the sharp one, the largest that the mean output allows. Slack is loss minus bound.")),
    (r"^augmented/rows_per_cell", Term(
        "rows of a cell", "Examples with one target. Of a cell with few, variance within it falls short and is not told.")),
    (r"/attack/", Term(
        "attacks", "FGSM (one step) and PGD (several) move each input by at most ε in every coordinate so as to raise the"
        " loss.")),
    (r"/corruption/", Term(
        "corruptions", "Noise, blur, contrast, pixels and compression, harder with the level. They are lamv’s own, made on"
        " the fly: numbers do not compare with those of published benchmarks.")),
    (r"^probe/", Term(
        "probe", "Accuracy of a linear classifier trained on the frozen activations of a layer, on a data set that the"
        " network may not have been trained on.")),
    (r"/information", Term(
        "information", "Müller’s estimate of the mutual information between the training image (one of N, of two classes)"
        " and the difference of the two logits at augmented views of it, in nats. At ln N every image is told from all"
        " others; at ln 2 only the classes are.")),
)  # fmt: skip
TABLES = (
    Term("methods compared", "Rows that agree in all but method and seed. A difference is the mean over the seeds that both"
         " have of row minus ERM."),
    Term("interval", "95 %. Over seeds, Student’s t: where the mean of many more seeds would lie. Of one seed (†) a"
         " bootstrap: the 2.5 and 97.5 % quantiles of the mean over 2,000 resamples of the test examples, with repetition;"
         " it leaves out how seeds differ."),
)  # fmt: skip


MITIGATION = Term(
    "mitigation",
    "What is done against shortcuts, beside the method: to the weights of examples, to who is drawn or mixed, to"
    " the loss, or to the last layer. A method is compared with ERM under the same mitigation.",
)
ORACLE = Term(
    "oracle", "A step chosen by the test set itself. It says how good a step there was, not what a user would get."
)
REPAIR = Term(
    "repair",
    "A mitigation repairs a method where the method, under it, is no more than 3 points below ERM: below ERM under the"
    " same mitigation, and below ERM alone. The interval is Student’s t, of the difference seed by seed.",
)
DOSE = Term(
    "dose", "The noise on the cue, or its strength: the only number, beside the method, in which those rows differ."
)
CROSSING = Term(
    "crossing",
    "Where the mean difference from ERM, linear between neighbouring doses, changes its sign; the interval"
    " holds the doses around it at which Student’s t interval of the difference over seeds holds 0.",
)
INTERVAL = Term(
    "Wilson’s interval",
    "Where the accuracy of a group would have to lie for its count to be within 1.96 standard deviations: how"
    " sure it is of these networks, given how few examples the group has.",
)


def of_design(rows: Sequence[Row]) -> list[Term]:
    """Terms that the settings of the rows call for, and not their metrics."""
    found = [MITIGATION] if any(mitigations.told(row.config) for row in rows) else []
    return found + ([ORACLE] if any(row.knob("select.rule") == selections.ORACLE for row in rows) else [])


def terms(keys: Iterable[str]) -> list[Term]:
    """Those for which any key was measured."""
    keys = list(keys)
    return [term for pattern, term in TERMS if any(re.search(pattern, key) for key in keys)]
