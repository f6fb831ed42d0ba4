"""The methods of label augmentation by name: what a training batch becomes before the loss sees it.

A method is a pure function (key, inputs, targets, *, knobs...) -> (inputs, targets), or -> Augmented where there is more
to say (lamv.core.batch). The engine passes it the knobs that its signature names, from `config.method`, and what it asks
for of these:

    rows      which rows of the global batch these are; asked for by whatever combines examples
    prior     (K,) frequencies of the classes in the data that training examples are drawn from
    soft_labels    (K, K), row y the soft label of class y, see lamv.core.targets.SoftLabels
    running   (B, K) running mean of the model's own probabilities for these examples, 1 / K before their first step
    predict   inputs -> (B, K) outputs of the model as it is now, without gradient

Numeric knobs arrive as traced scalars, so rows of a recipe that differ only in them share one compiled program. To add a
method, write the function and give it a line in TARGETS or, if it combines examples, in MIXING; a knob that is new also gets
a line in lamv/knobs.py. A recipe may add one too: METHODS[NAME] = mixing_method(FUNCTION), or target_method.

Order of composition: labels are smoothed first, then mixed. For smoothing the other order gives the same targets, since
it is linear (except for c_mixup and rc_mixup, which choose their pairs by the targets); flipping labels after mixing would
replace the mixed target as a whole. Every mixing method takes `smoothing` and `convention` for this; 0 changes no bit.
"""

import functools
import inspect
from collections.abc import Callable, Mapping

from lamv.core import mixing, regions
from lamv.core import targets as labels
from lamv.core.batch import Augmented, Rows
from lamv.core.checks import check_probabilities
from lamv.core.laws import beta


def erm(key, inputs, targets):
    """Empirical risk minimisation: the batch as it is."""
    return inputs, targets


def label_smoothing(key, inputs, targets, *, smoothing, convention: str = "uniform"):
    """Label smoothing (Szegedy et al. 2016); see lamv.core.targets for the two conventions."""
    return inputs, labels.smooth(targets, smoothing, convention)


def unigram_smoothing(key, inputs, targets, *, smoothing, prior):
    """Smoothing towards the frequencies of the classes (Pereyra et al. 2017)."""
    return inputs, labels.smooth_towards(targets, smoothing, prior)


def over_smoothing(key, inputs, targets, *, over_smoothing=0.98):
    """Label over-smoothing (LOS): targets barely above 1 / K, to train a classifier anew on frozen features.

    True class 1 - over_smoothing (K - 1) / K. Meant for the second phase of a run: config.method.then.
    """
    return inputs, labels.smooth(targets, over_smoothing)


def noise_correction(key, inputs, targets, *, noise_rate, convention: str = "uniform"):
    """Backward correction of symmetric label noise: smoothing with a negative sign (Lukasik et al. 2020)."""
    return inputs, labels.correct_noise(targets, noise_rate, convention)


def disturb_label(key, inputs, targets, *, smoothing, convention: str = "uniform", rows: Rows | None = None):
    """DisturbLabel (Xie et al. 2016): labels flipped at rate `smoothing`, anew at each step; smoothing in expectation."""
    return inputs, labels.flip(key, targets, smoothing, convention, rows)


def instance_smoothing(key, inputs, targets, *, smoothing, running):
    """Smoothing towards the model's own running prediction of the example; label smoothing at the first step.

    Only its lag sets it apart from ERM: with the current prediction p of the same input, held fixed, the gradient of the
    loss in the logits is p - (1 - smoothing) e_y - smoothing p = (1 - smoothing) (p - e_y).
    """
    return inputs, labels.smooth_towards(targets, smoothing, running)


def online_smoothing(key, inputs, targets, *, smoothing, soft_labels):
    """Online label smoothing (Zhang et al. 2021): towards the mean prediction for the class where it was right.

    q = (1 - smoothing) e_y + smoothing S_y, S of the last epoch; label smoothing in the first. The source: smoothing = 1/2.
    """
    labels.check_targets(targets)
    return inputs, labels.smooth_towards(targets, smoothing, targets @ soft_labels)


def instance_mixup(
    key,
    inputs,
    targets,
    *,
    alpha=1.0,
    law=None,
    lam_per: str = "example",
    smoothing=0.0,
    predict,
    rows: Rows | None = None,
):
    """Mixup of targets that were smoothed towards the model's current prediction of each part.

    q_i = (1 - smoothing) e_y + smoothing p(x_i) before mixing: the instance-specific smoothing of self-evolution learning
    (2023). It takes one forward pass more. Without mixing it would be ERM at a smaller step, see instance_smoothing.
    """
    check = mixing.class_targets(targets)
    labels.check_targets(check, inputs.shape[0])
    smoothed = labels.smooth_towards(check, smoothing, predict(inputs))
    together = (smoothed, *targets[1:]) if isinstance(targets, tuple) else smoothed
    return mixing.mixup(key, inputs, together, alpha=alpha, law=law, lam_per=lam_per, rows=rows)


def matched_smoothing(key, inputs, targets, *, alpha=1.0, law=None, convention: str = "uniform", prior):
    """Label smoothing with the mean target entropy of a Mixup of the same law: its labels without its inputs.

    Mixup's mean entropy is P(y_i != y_j) E h(lam), with P = 1 - sum of prior^2.
    """
    check_probabilities("prior", prior)
    different = 1.0 - (prior * prior).sum()
    mean_entropy = different * (beta(alpha) if law is None else law).mean_entropy()
    smoothing = labels.matched_smoothing(mean_entropy, targets.shape[-1], convention)
    return inputs, labels.smooth(targets, smoothing, convention)


class Method:
    """A method, and whether it combines examples: whether it has partners, and mixes what comes with the targets."""

    __name__: str

    def __init__(self, function: Callable, combines: bool, signature: inspect.Signature | None = None):
        functools.update_wrapper(self, function)
        self.function, self.combines = function, combines
        self.__signature__ = signature or inspect.signature(function)

    def __call__(self, key, inputs, targets, **knobs):
        return self.function(key, inputs, targets, **knobs)


def target_method(function: Callable) -> Method:
    """A method that changes targets, each example's by itself, and leaves the inputs as they are."""
    return Method(function, combines=False)


def mixing_method(mix: Callable) -> Method:
    """A method that combines examples, made of `mix`, a function of the batch as any method is.

    It smooths the targets first, by the knobs `smoothing` and `convention`. Where a mitigation knows of groups, `mix` is
    given (targets, memberships) in place of the targets, and must mix both alike: `mix` and `Rows.take` of lamv.core do.
    Pairs that depend on classes are chosen by lamv.core.mixing.class_targets(targets).
    """

    @functools.wraps(mix)
    def smoothed_first(key, inputs, targets, *, smoothing=0.0, convention="uniform", **knobs):
        if isinstance(targets, tuple):
            smoothed = (labels.smooth(targets[0], smoothing, convention), *targets[1:])
        else:
            smoothed = labels.smooth(targets, smoothing, convention)
        return mix(key, inputs, smoothed, **knobs)

    signature = inspect.signature(mix)
    own = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("smoothing", "convention")]
    both = signature.replace(parameters=[*signature.parameters.values(), *own])
    return Method(smoothed_first, combines=True, signature=both)


def apply(
    method: Method, key, inputs, targets, *, knobs: Mapping, rows: Rows, memberships=None, **offered
) -> Augmented:
    """Call `method` with those of `knobs`, of `rows` and of what else is `offered` that it names.

    memberships: (B, G) shares of each example in the groups, rows sum to 1. A method that combines examples mixes them
    as it mixes the targets, so that a mixture belongs to the groups of its parts; any other leaves them as they are.
    """
    given = {**knobs, **offered, "rows": rows}
    together = memberships is not None and method.combines
    made = method(key, inputs, (targets, memberships) if together else targets,
                  **{name: given[name] for name in knobs_of(method)})  # fmt: skip
    made = made if isinstance(made, Augmented) else Augmented(*made)
    if not method.combines and made.inputs is not inputs:
        raise TypeError(f"{method.__name__} changes the inputs, as a mixing_method would; see lamv/core/methods.py")
    if together:
        targets, memberships = made.targets
        made = made._replace(targets=targets)
    return made._replace(memberships=memberships)


def knobs_of(method: Callable) -> tuple[str, ...]:
    """Names of the keyword-only arguments of a method."""
    parameters = inspect.signature(method).parameters.values()
    return tuple(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)


#: Methods whose targets are those of classes; the others serve regression too, as long as nothing is smoothed.
FOR_CLASSES = (
    "label_smoothing", "unigram_smoothing", "over_smoothing", "noise_correction", "disturb_label", "instance_smoothing",
    "online_smoothing", "matched_smoothing", "same_class_mixup", "instance_mixup",
)  # fmt: skip

#: Methods that combine regions of images.
OF_IMAGES = ("cutmix", "resizemix", "fmix")

TARGETS = {
    "erm": erm,
    "label_smoothing": label_smoothing,
    "unigram_smoothing": unigram_smoothing,
    "over_smoothing": over_smoothing,
    "noise_correction": noise_correction,
    "disturb_label": disturb_label,
    "instance_smoothing": instance_smoothing,
    "online_smoothing": online_smoothing,
    "matched_smoothing": matched_smoothing,
}
MIXING = {
    "mixup": mixing.mixup,
    "midpoint": mixing.midpoint,
    "kway_mixup": mixing.kway_mixup,
    "decoupled_mixup": mixing.decoupled_mixup,
    "input_mixup": mixing.input_mixup,
    "target_mixup": mixing.target_mixup,
    "same_class_mixup": mixing.same_class_mixup,
    "manifold_mixup": mixing.manifold_mixup,
    "regmixup": mixing.regmixup,
    "c_mixup": mixing.c_mixup,
    "rc_mixup": mixing.rc_mixup,
    "cutmix": regions.cutmix,
    "resizemix": regions.resizemix,
    "fmix": regions.fmix,
}
METHODS: dict[str, Method] = {
    **{name: target_method(function) for name, function in TARGETS.items()},
    **{name: mixing_method(function) for name, function in MIXING.items()},
    "instance_mixup": Method(instance_mixup, combines=True),
}
