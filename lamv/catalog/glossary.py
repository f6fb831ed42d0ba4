"""Terms that pages define under "How to read this", in the order of the page; entries of metrics refer to them by name."""

from collections.abc import Collection
from typing import NamedTuple


class Term(NamedTuple):
    """A word of a report and what it means."""

    name: str
    meaning: str


#: Of what is planted and measured: name -> meaning.
MEANINGS: dict[str, str] = {
    "cue": "Inputs that were planted to give the label away (a tag, a pixel). Label augmentation is thought to make"
    " networks learn the features that vary least within a class; a cue without noise does not vary at all. Whether it"
    " was learned shows where it is random.",
    # Splits
    "validation": "Examples not trained on, by which a step may be chosen.",
    "test": "Examples not trained on; the cue, if any, as in training, unless the settings differ (cat_channel: one"
    " image alone).",
    "aligned": "The same examples; the cue always agrees with the label.",
    "random": "The cue indicates any class, all equally likely: it carries no information.",
    "conflicting": "The cue always indicates a class other than the label.",
    "absent": "The cue is left out; its inputs are 0, but for noise where it has any.",
    "own augmented inputs": "Training inputs as the method of the row makes them, with the targets that its loss sees."
    " A cell is the set of inputs with one target (a label under smoothing; two labels and λ under Mixup): “within” is"
    " the variance given the cell.",
    # Errors and accuracies
    "RMSE": "Root mean square error, √(E (output − label)²), in the units of the labels.",
    "MAE": "Mean absolute error, E |output − label|, in the units of the labels.",
    "accuracy": "Share of examples whose largest output is that of the label.",
    "balanced accuracy": "The plain mean of the accuracies of the classes, so that a rare class counts as much as a common"
    " one. Shown where the largest class of a split has at least twice the examples of the smallest, and classes have ten or"
    " more on average.",
    "many, medium, few": "Where the training set has a long tail: the mean accuracy of the classes in the upper, middle and"
    " lower third of the range of log n_c, n_c being the training examples of a class. That is a third of the classes each"
    " where sizes fall by one factor from class to class; with two sizes there are many and few.",
    "points lost": "Accuracy with an aligned cue minus accuracy with a random one: 0 for a network that ignores the"
    " cue. Two rows rely on it alike where the interval of their difference lies within 3 points of 0; where it"
    " reaches further, yet includes 0, the comparison is inconclusive.",
    "group": "The examples of one label y and one attribute a: the class that the cue indicates, or a column of the data.",
    "worst, mean group": "The smallest accuracy of any group, and the plain mean over groups. Groups without an"
    " example in the split are left out. Chance alone makes the worst of many small groups low: a group of fewer than"
    " 10 examples is in no headline and no verdict.",
    "adjusted accuracy": "The mean over the groups that the split has, each weighted by its share of the training set."
    " Some authors use the word for the plain mean.",
    "EOD, AOD, SPD": "How differently two values of an attribute fare, for labels of two classes, of which the second is"
    " the favourable one. Equal opportunity difference: |TPR_a − TPR_a′|, of the rates at which favourable labels are found."
    " Average odds difference: the mean of that and of |FPR_a − FPR_a′|. Statistical parity difference: |P(favourable"
    " decision | a) − P(favourable decision | a′)|. 0 is fair; of more than two values, the pair that lies furthest apart.",
    # Reliance on the cue
    "follows the cue": "Share of examples that the network puts into the class that the cue indicates, right or wrong.",
    "cue drop": "Accuracy with an aligned cue minus accuracy with a conflicting one: of the same examples, only the"
    " cue is swapped.",
    "cue : label": "How far the logit of the class that the cue indicates lies above the mean of the others, over how far"
    " that of the label does; with a random cue, where the two are independent. If logits are a part from the label"
    " plus a part from the cue, it is the one part over the other: 0 ignores the cue, above 1 follows it.",
    "weight ratio": "‖W_cue‖ / ‖W_rest‖ (Frobenius), of the first layer: the weights on the cue’s inputs over those on"
    " all others.",
    "weight share": "‖W_cue‖² / ‖W‖², of the same weights: r² / (1 + r²) with r the weight ratio.",
    # Variance
    "features": "h, the activations that the last layer reads.",
    "logits": "What the last layer gives, before the softmax.",
    "outputs": "Softmax probabilities; under the sigmoid loss the logistic function of each logit, and under squared"
    " error the logits themselves.",
    "layers": "Hidden layers in order of depth. Units of a feature map are its channels, averaged over positions.",
    "within-class variance": "V_W = E ‖h − E[h | y]‖², summed over units: how much examples of one class differ.",
    "variance within a group": "V_g = E ‖h − E[h | y, a]‖² of the examples of one label and one attribute, and λ₁, the"
    " largest eigenvalue of their covariance: how much of V_g lies along one direction.",
    "between-class variance": "V_B = E ‖E[h | y] − E h‖², summed over units: how far the means of classes lie apart.",
    "total variance": "V_T = E ‖h − E h‖² = V_W + V_B.",
    "V_W / V_T": "Share of the total variance that lies within classes: 0 where all examples of a class have one"
    " activation, 1 where the means of classes coincide.",
    "within / mean square": "V_W over E ‖h‖², which does not change when all activations are scaled.",
    "training loss": "The loss against the targets of the method (cross-entropy in nats, unless a row has another loss),"
    " averaged since the last mark, without weight or confidence penalty, and with MaxSup’s term. Augmented targets have a"
    " floor above 0, so levels of different methods do not compare.",
    # Collapse
    "NC1": "Variability within classes over that between them: trace(Σ_W Σ_B⁺) / K, with Σ_B⁺ the pseudo-inverse of"
    " the covariance of class means; the ratio of traces is trace Σ_W / trace Σ_B.",
    "NC2": "How far the centred class means (or the columns of the last layer’s weights, as they are) are from being"
    " of one length (coefficient of variation of lengths) and at equal, widest angles (mean distance of the cosines"
    " from −1 / (K − 1)).",
    "NC3": "Squared distance between the last layer’s weights and the centred class means, each matrix divided by its"
    " norm; 0 to 4.",
    "NC4": "Share of examples for which the network and the nearest class mean disagree.",
    "class separation": "Kornblith’s R²: 1 minus the mean cosine distance of features within classes over that among"
    " all examples.",
    "effective rank": "exp of the entropy of the singular values of the centred features: in how many directions they"
    " vary.",
    "norms": "Euclidean lengths of features and of logits, by example.",
    # Calibration and selection
    "negative log-likelihood": "Mean of −ln of the probability given to the label, in nats.",
    "Brier score": "Mean squared distance between the probabilities and the one-hot label.",
    "ECE": "Expected calibration error: mean distance of accuracy from confidence over 15 bins of confidence, of equal"
    " width or of equal mass, weighted by their examples.",
    "temperature scaling": "Logits are divided by one number T, fitted to the likelihood of held-out examples. T above"
    " 1 means that the network was overconfident, below 1 underconfident. It changes no decision. T at an end of its range"
    " was not found: the likelihood grows without end, as where all held-out examples are classified rightly, and neither T"
    " nor what was scaled by it counts.",
    "AURC": "Area under the risk-coverage curve: the mean error when the examples with the highest confidence are"
    " answered first. Confidence is the maximum probability, the maximum logit, or that of the centred logits over"
    " their norm.",
    "AUGRC": "Area under the generalised risk-coverage curve: the mean share of all examples that are answered, and wrongly,"
    " in the order of AURC. Unlike there, an error of the surest counts no more than its rank.",
    "coverage and risk": "In the order of AURC: the largest share of examples that can be answered with at most 5 % errors"
    " among them (0 where there is none), and the share of errors when 80 % are answered.",
    "margin": "Logit of the label minus the largest other logit; below 0 where an example is misclassified. The"
    " coefficient of variation is sd over mean.",
    # Smoothing
    "term of smoothing": "Label smoothing adds s (z_y − mean z) to the loss of the label, z the logits, y the label: on the"
    " training set the label as given, wrong or not. Split by example, right where the label’s logit is the largest; or by"
    " class: logits below the label’s, the part that regularises, and logits above it, at most 0, which smoothing drives"
    " further up.",
    "apart": "E (max z − z_y). MaxSup adds s (max z − mean z): where this is 0, MaxSup is label smoothing.",
    # Bounds
    "entropy floor": "Mean entropy of the targets: no network has a lower cross-entropy.",
    "bound": "Loss ≥ floor + KL + variance term, by a second-order bound on −ln. KL is the divergence of a cell’s mean"
    " output from its target; the variance term weighs the variance of each output within a cell by the target, at the"
    " factor 1/2 or at the sharp one, the largest that the mean output allows. Slack is loss minus bound.",
    "rows of a cell": "Examples with one target. With few, the variance within a cell is underestimated and is left"
    " out.",
    # Robustness, probes, information
    "attacks": "FGSM (one step) and PGD (several) move each input by at most ε in every coordinate so as to raise the"
    " loss.",
    "corruptions": "Noise, blur, contrast, pixels and compression, harder with the level. They are lamv’s own, made on"
    " the fly: numbers do not compare with those of published benchmarks.",
    "probe": "Accuracy of a linear classifier trained on the frozen activations of a layer, on a data set that the"
    " network may not have been trained on.",
    "information": "Müller’s estimate of the mutual information between the training image (one of N, of two classes)"
    " and the difference of the two logits at augmented views of it, in nats. At ln N every image is distinguished from all"
    " others; at ln 2 only the classes are.",
}  # fmt: skip

SURENESS = (
    Term("mean ± sd", "Over seeds, n − 1 in the denominator. A seed fixes the data, the cue, the start and the order."),
    Term("95 % interval", "Student’s t, of the mean difference seed by seed; not corrected for the number of rows."),
)
TABLES = (
    Term("methods compared", "Rows that agree in all but method and seed. A difference is the mean over the seeds that both"
         " have of row minus ERM."),
    Term("interval", "95 %. Over seeds, Student’s t: where the mean of many more seeds would lie. Of one seed (†) a"
         " bootstrap: the 2.5 and 97.5 % quantiles of the mean over 2,000 resamples of the test examples, with repetition;"
         " it leaves out how seeds differ."),
)  # fmt: skip
MITIGATION = Term(
    "mitigation",
    "What is done against shortcuts, beside the method: to the weights of examples, to sampling or pairing, to the loss, or"
    " to the last layer. A method is compared with ERM under the same mitigation.",
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
    " certain it is for these networks, given how few examples the group has.",
)


def terms(names: Collection[str]) -> list[Term]:
    """The terms of MEANINGS with these names, in the order of the page."""
    return [Term(name, meaning) for name, meaning in MEANINGS.items() if name in names]
