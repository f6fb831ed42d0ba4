"""What a row trains, in words, for the log."""

import jax
import jax.numpy as jnp

from lamv import config as configs
from lamv.core import methods
from lamv.core.batch import whole
from lamv.core.targets import one_hot


def describe(config, num_classes: int) -> str:
    """The methods of a row with those knobs that they use and, where the label decides it, the target that they give.

    Last, where there are any, the mitigation and the teacher.
    """
    first, *then = (_described(name, config, num_classes) for name in configs.methods_of(config))
    words = first + "".join(f"; from step {config.method.switch} on {words}" for words in then)
    if config.mitigation.name != "erm":
        words += f"; mitigation {config.mitigation.name}"
    distill = config.distill
    if not distill.row:
        return words
    return f"{words}; distilled from {distill.row!r} at temperature {distill.temperature:g}, weight {distill.weight:g}"


def _described(name: str, config, num_classes: int) -> str:
    method = methods.METHODS[name]
    asks = methods.knobs_of(method)
    alone = not {"rows", "prior", "running"} & set(asks)  # a function of the label and nothing else
    # What is left at its empty default need not be said, nor that labels are not smoothed before they are mixed.
    said = [knob for knob in asks if knob in config.method and (config.method[knob] or knob == "smoothing")]
    if not alone and not config.method.smoothing:
        said = [knob for knob in said if knob not in ("smoothing", "convention")]
    words = f"{name}({', '.join(f'{knob}={config.method[knob]}' for knob in said)})"
    if not alone or num_classes == 1:
        return words
    target = one_hot(jnp.zeros(1, jnp.int32), num_classes)
    made = methods.apply(method, jax.random.key(0), None, target, knobs=config.method.to_dict(), rows=whole(1))
    on_label, on_other = (float(value) for value in made.targets[0][:2])
    return f"{words}: target {on_label:.4g} on the label, {on_other:.4g} on each other class"
