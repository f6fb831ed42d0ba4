"""Every knob of a run: default, range, meaning. Without jax, for reports.

`traced` knobs enter the compiled program as arrays: variants that differ only in those share one compilation, and may run
side by side. Of `optional` ones the program depends only on whether they are 0 (or empty), which leaves their computation
out. `free` ones do not change what is learned; they may differ when a run is resumed.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

#: Numbers enter the program as 32-bit ones; whole numbers as int32.
LARGEST = 2.0**31
#: Each has its own tables on the host and its own lines in every file: more than these is a typing error.
MAX_SEEDS, MAX_ROWS = 10_000, 2_000
#: Attention of so many words to each other fills the memory of a device, and so do embeddings of so many words.
MAX_TEXT_LENGTH, MAX_WORDS = 2**14, 2**22
#: Some thousand photographs of this size fill the memory of a device.
MAX_IMAGE_SIZE = 1024
#: Between two layers of this width lie 16 GiB; and a network of more layers takes minutes to compile.
MAX_WIDTH, MAX_LAYERS = 65_536, 100


class Allowed(NamedTuple):
    """The values that a knob takes: a test, and its words for the error line. item: of a tuple, the type of its items."""

    holds: Callable[[Any], bool]
    words: str
    item: type | None = None


class Registered(NamedTuple):
    """As Allowed: the names in a registry, "MODULE.NAME", and `more`. Imported late: it may import jax, or grow."""

    registry: str
    more: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What is listed now."""
        module, _, name = self.registry.rpartition(".")
        return (*self.more, *getattr(import_module(module), name))

    def holds(self, value: Any) -> bool:
        return value in self.names

    @property
    def words(self) -> str:
        return "one of " + ", ".join(self.names)


def one_of(*names: str) -> Allowed:
    """These texts."""
    return Allowed(lambda value: value in names, "one of " + ", ".join(names))


def at_least(low: float) -> Allowed:
    """Numbers in [low, 2^31)."""
    return Allowed(lambda value: low <= value < LARGEST, f"at least {low} and below 2^31")


def above(low: float) -> Allowed:
    """Numbers in (low, 2^31)."""
    return Allowed(lambda value: low < value < LARGEST, f"above {low} and below 2^31")


def between(low: float, high: float) -> Allowed:
    """Numbers in [low, high]."""
    return Allowed(lambda value: low <= value <= high, f"from {low} to {high}")


def below(low: float, high: float) -> Allowed:
    """Numbers in [low, high)."""
    return Allowed(lambda value: low <= value < high, f"from {low} to below {high}")


def whole_numbers(low: int, high: int = 2**31 - 1, most: int = 100_000) -> Allowed:
    """Tuples of at most `most` whole numbers in [low, high]."""
    limits = f" and at most {high}, {most} of them at most" if most < 100_000 else ""
    return Allowed(
        lambda values: len(values) <= most and all(type(v) is int and low <= v <= high for v in values),
        f"whole numbers of at least {low}{limits}", int,
    )  # fmt: skip


def _is_law(text: str) -> bool:
    from lamv.core import laws

    try:
        return not text or bool(laws.parse(text))
    except (ValueError, OverflowError, RecursionError, MemoryError):  # numbers too long, or brackets too deep, to read
        return False


a_law = Allowed(_is_law, "beta(a, b), uniform(lo, hi), fixed(v) or discrete((v, ...), (weight, ...)) on [0, 1]")
layer_names = Allowed(
    lambda values: all(isinstance(v, str) and v for v in values) and len(set(values)) == len(values) > 0,
    "one or more different names of layers",
    str,
)
column_names = Allowed(lambda values: all(isinstance(v, str) and v for v in values), "names of columns", str)
fractions = Allowed(
    lambda values: len(values) <= 1000 and all(type(v) in (int, float) and 0 <= v <= 1 for v in values),
    "numbers from 0 to 1, 1000 at most",
    float,
)
share = Allowed(lambda value: 0 < value <= 1, "above 0 and at most 1")
anything = Allowed(lambda value: True, "any value")
in_pixels = between(0, MAX_IMAGE_SIZE)
#: Of seeds, also where an experiment on theory has them.
number_of_seeds = Allowed(lambda value: 1 <= value <= MAX_SEEDS, f"at least 1 and at most {MAX_SEEDS}")
finite = Allowed(lambda value: abs(value) < LARGEST, "a number between -2^31 and 2^31")


class Knob(NamedTuple):
    """`default` may be a type: then the knob is None until a recipe or a flag sets it."""

    key: str
    default: Any
    allowed: Allowed | Registered
    meaning: str
    traced: bool = False
    free: bool = False
    optional: bool = False

    @property
    def type(self) -> type:
        return self.default if isinstance(self.default, type) else type(self.default)


KNOBS = (
    Knob("title", "", anything, "heading of the report", free=True),
    Knob("about", "", anything, "what the recipe shows, in a sentence or two, for the report", free=True),
    Knob("rows", {}, anything, "row name -> {knob: value}; every row is trained with every seed"),
    Knob("claims", (), anything, "what the means must reach: (row, metric, '>=' or '<=', value) or (..., times, other row)",
         free=True),
    Knob("published", (), anything, "numbers of others to be set beside the means: (row, metric, value, source)", free=True),
    Knob("seed", 0, between(0, 2**31 - 1), "the first seed; replica r uses seed + r"),
    Knob("seeds", 1, number_of_seeds, "number of seeds (replicas) of each row"),
    Knob("batch_size", 128, at_least(1), "examples of a step, over all devices"),
    Knob("eval_batch_size", 500, at_least(1), "examples of a step of evaluation, over all devices", free=True),
    Knob("steps", int, at_least(1), "length of training in steps; or set epochs"),
    Knob("epochs", float, above(0), "length of training in passes over the training set; or set steps"),
    Knob("log_every", 50, at_least(1), "steps between two lines of metrics.jsonl"),
    Knob("eval_every", 0, at_least(0), "steps between two evaluations on the test splits; 0: only at the end"),
    Knob("checkpoint_every", 0, at_least(0), "steps between two checkpoints; 0: only at the end", free=True),
    Knob("keep_checkpoints", 3, at_least(1), "how many of the newest checkpoints are kept", free=True),
    Knob("data.name", "digits", Registered("lamv.data.DATASETS"), "data set"),
    Knob("data.path", "", anything, "file or folder of the data set, where it needs one", free=True),
    Knob("data.verify", "warn", one_of("warn", "official"), "what to do about files without the official sha256", free=True),
    Knob("data.task", "auto", Registered("lamv.data.TASKS"), "npz, table: whether labels are classes or numbers to be"
         " predicted; auto: numbers where they are floats"),
    Knob("data.on_broken", "error", Registered("lamv.data.ON_BROKEN"), "photographs that cannot be read: refuse the data"
         " set, or leave them out by name"),
    Knob("data.columns.label", "", anything, "table: name of the column that is to be learned; empty: label"),
    Knob("data.columns.split", "", anything, "table: name of the column of train, valid, test; empty: split, if any"),
    Knob("data.columns.group", "", anything, "table: name of the column of groups; empty: group, if there is one"),
    Knob("data.columns.attribute", "", anything, "table: name of the column of an attribute that may be a shortcut; empty:"
         " attribute, if there is one"),
    Knob("data.columns.drop", (), column_names, "table: names of columns that are not given to the network"),
    Knob("data.columns.text", "", anything, "text: name of the column of texts; empty: text"),
    Knob("data.text.length", 64, between(1, MAX_TEXT_LENGTH), "words of a text that are kept, its first"),
    Knob("data.text.vocabulary", 20_000, between(1, MAX_WORDS), "words that have an embedding of their own, the commonest;"
         " all others share one"),
    Knob("data.classes", (), whole_numbers(0), "keep only these classes, renumbered in this order; (): all"),
    Knob("data.superclasses", (), whole_numbers(0), "the new class of each of these classes, in order; (): as they are"),
    Knob("data.image_size", 64, between(8, MAX_IMAGE_SIZE), "side, in pixels, of the images that are read from folders"),
    Knob("data.train_size", int, at_least(1), "examples of the training set, drawn by the seed; unset: all there are"),
    Knob("data.per_class", int, at_least(1), "training examples of each class, drawn by the seed; unset: as"
         " many as data.train_size gives"),
    Knob("data.valid_size", 0, at_least(0), "examples for validation, drawn by the seed from those that do not train; 0: the"
         " data set's own, if any"),
    Knob("data.flatten", False, anything, "give images to the model as vectors"),
    Knob("data.normalise", True, anything, "subtract the data set's mean and divide by its deviation, by channel"),
    Knob("data.eval_train_size", 10_000, at_least(0), "examples of the training set that the end evaluation looks at"),
    Knob("data.augment.crop", 0, in_pixels, "random crop after padding by this many pixels; 0: none"),
    Knob("data.augment.flip", False, anything, "random mirroring, left to right"),
    Knob("data.augment.cutout", 0, in_pixels, "side of the square that cutout zeroes, in pixels; 0: none"),
    Knob("data.label_noise", 0.0, below(0, 1), "training labels replaced, once, with this probability: by any class, or"
         " (regression) by that of any example", traced=True, optional=True),
    Knob("data.imbalance.ratio", 1.0, at_least(1), "examples of the most over those of the least frequent class in training;"
         " 1: as they are"),
    Knob("data.imbalance.profile", "exponential", Registered("lamv.data.long_tails.PROFILES"), "how class sizes fall: by one"
         " factor from class to class, or in one step at half of the classes"),
    Knob("data.label_flip", 0.0, below(0, 1), "labels of all splits replaced, once, with this probability by another class,"
         " before a cue is drawn", traced=True, optional=True),
    Knob("data.shortcut.kind", "none", Registered("lamv.core.shortcuts.SHORTCUTS", ("none",)), "cue that is planted in"
         " the inputs"),
    Knob("data.shortcut.strength", 0.5, finite, "size of the cue, in the units the network sees", traced=True),
    Knob("data.shortcut.reliability", 1.0, between(0, 1), "P(cue says the label) in training", traced=True),
    Knob("data.shortcut.noise", 0.0, at_least(0), "standard deviation of noise on the cue's inputs", traced=True),
    Knob("data.shortcut.environments", (), fractions, "reliability in each training environment, among which the examples"
         " are divided evenly; (): one, of data.shortcut.reliability"),
    Knob("data.shortcut.valid_reliability", float, between(0, 1), "P(cue says the label) in validation; unset: as in"
         " training", traced=True),
    Knob("data.shortcut.test_reliability", float, between(0, 1), "P(cue says the label) in the split test; unset: as in"
         " training", traced=True),
    Knob("data.shortcut.images", "", Registered("lamv.data.DATASETS", ("",)), "dominoes: data set of the images put"
         " above"),
    Knob("data.shortcut.images_path", "", anything, "dominoes: file or folder of that data set", free=True),
    Knob("data.shortcut.images_classes", (), whole_numbers(0), "dominoes: its classes that say 0, 1, ...; (): the first"),
    Knob("data.shortcut.coding", "one_sided", Registered("lamv.core.shortcuts.CODINGS"), "pixel: strength x [a = 1],"
         " or strength x (2 a - 1)"),
    Knob("method.name", "erm", Registered("lamv.core.methods.METHODS"), "label augmentation"),
    Knob("method.smoothing", 0.0, below(0, 1), "label smoothing: share of mass moved off the label", traced=True),
    Knob("method.convention", "uniform", Registered("lamv.core.targets.CONVENTIONS"), "smooth over all classes, or over"
         " the others"),
    Knob("method.alpha", 1.0, above(0), "Mixup: lam ~ Beta(alpha, alpha)", traced=True),
    Knob("method.law", "", a_law, "Mixup: law of lam; empty: Beta(alpha, alpha)"),
    Knob("method.target_law", "", a_law, "decoupled_mixup: law of the targets' own lam; empty: that of the inputs"),
    Knob("method.lam_per", "example", Registered("lamv.core.mixing.LAM_PER"), "Mixup: one lam an example, or one for the"
         " batch"),
    Knob("method.ways", 3, between(2, 100), "kway_mixup: how many examples are mixed"),
    Knob("method.layers", ("input",), layer_names, "manifold_mixup: one of these is drawn at each step"),
    Knob("method.weight", 1.0, at_least(0), "regmixup: weight of the mixed batch's loss", traced=True),
    Knob("method.bandwidth", 1.0, above(0), "c_mixup: of the kernel on targets, in their units; rc_mixup: in units of"
         " their spread", traced=True),
    Knob("method.noise_rate", 0.2, below(0, 1), "noise_correction: rate of label noise; rc_mixup: share left out",
         traced=True),
    Knob("method.over_smoothing", 0.98, below(0, 1), "over_smoothing: share of mass moved off the label", traced=True),
    Knob("method.running_decay", 0.9, below(0, 1), "instance_smoothing: of the running mean of predictions", traced=True),
    Knob("method.scale_low", 0.1, share, "resizemix: smallest side of the pasted example", traced=True),
    Knob("method.scale_high", 0.8, share, "resizemix: largest side of the pasted example", traced=True),
    Knob("method.decay_power", 3.0, at_least(0), "fmix: the mask's spectrum falls as frequency to minus this", traced=True),
    Knob("method.switch", 0, at_least(0), "step from which method.then takes over; 0: never; with jtt, of the"
         " second stage"),
    Knob("method.then", "none", Registered("lamv.core.methods.METHODS", ("none",)), "label augmentation from"
         " method.switch on"),
    Knob("loss.name", "cross_entropy", Registered("lamv.core.losses.LOSSES"), "loss against the targets"),
    Knob("loss.confidence_penalty", 0.0, at_least(0), "factor of the negative entropy of the outputs in the loss",
         traced=True, optional=True),
    Knob("loss.entropy_threshold", 0.0, at_least(0), "nats: penalise confidence only where the entropy is below; 0: always",
         traced=True),
    Knob("loss.anneal", 0, at_least(0), "steps over which the confidence penalty rises linearly to its factor"),
    Knob("loss.max_suppression", 0.0, at_least(0), "MaxSup: factor of the largest logit less their mean in the loss of"
         " each example; 0: off", traced=True, optional=True),
    Knob("mitigation.name", "erm", Registered("lamv.catalog.mitigations.MITIGATIONS", ("erm",)), "what is done"
         " against shortcuts, beside the method"),
    Knob("mitigation.by", "group", Registered("lamv.core.mitigation.BY"), "what the balancing ones balance, and"
         " group_dro weighs"),
    Knob("mitigation.step_size", 0.01, at_least(0), "group_dro: of the weights of groups", traced=True),
    Knob("mitigation.adjustment", 0.0, at_least(0), "group_dro: C, a group's loss is raised by C / sqrt(its examples)",
         traced=True),
    Knob("mitigation.penalty", 100.0, at_least(0), "irm, vrex: factor of the penalty", traced=True),
    Knob("mitigation.anneal", 0, at_least(0), "irm, vrex: steps during which that factor is 1 at the most"),
    Knob("mitigation.tau", 1.0, at_least(0), "logit_adjustment: factor of the log frequencies", traced=True),
    Knob("mitigation.first_steps", 100, at_least(1), "jtt, easy_to_hard: steps of the first stage, before those of the run"),
    Knob("mitigation.upweight", 50.0, above(0), "jtt: how often an example counts that the first stage got wrong",
         traced=True),
    Knob("mitigation.mix_ratio", 0.5, between(0, 1), "lisa: share of pairs of one label; the rest are of one attribute",
         traced=True),
    Knob("mitigation.alpha", 2.0, above(0), "lisa, within_groups, across_attributes: lam ~ Beta(alpha, alpha) where the"
         " method itself does not mix", traced=True),
    Knob("mitigation.mixes", True, anything, "lisa, within_groups, across_attributes: whether pairs are mixed; False: both"
         " examples of each count as they are, half each (for methods that do not mix)"),
    Knob("mitigation.utility", 1.0, at_least(0), "bifair: factor of the mean loss beside the unfairness, when weights are"
         " learned", traced=True),
    Knob("mitigation.inner_steps", 2, between(1, 20), "bifair: updates of the network in a step of the run, through which"
         " the weights are learned"),
    Knob("mitigation.outer_lr", 0.001, above(0), "bifair: learning rate of the weights", traced=True),
    Knob("mitigation.refit_on", "valid", one_of("valid", "train"), "dfr: split on which the last layer is fitted anew"),
    Knob("mitigation.subsets", 10, between(1, 10_000), "dfr: balanced subsets over which the last layer is averaged"),
    Knob("mitigation.refit_epochs", 20.0, above(0), "lort, crt: passes over the training set in the second stage"),
    Knob("mitigation.refit_lr", 5e-4, above(0), "lort, crt: peak learning rate of the second stage", traced=True),
    Knob("mitigation.over_smoothing", 0.98, below(0, 1), "lort: share of mass moved off the label in the second stage",
         traced=True),
    Knob("select.rule", "last", Registered("lamv.catalog.model_selection.RULES"), "which evaluated step a row's numbers"
         " are of, seed by seed"),
    Knob("select.patience", 0, at_least(0), "early stopping: evaluations without a better one after which none counts; 0:"
         " all count"),
    Knob("distill.teacher", "", anything, "workdir of the run that has the row distill.row", free=True),
    Knob("distill.row", "", anything, "row of another run that teaches this one, seed by seed; empty: none", optional=True),
    Knob("distill.temperature", 1.0, above(0), "by which the logits of teacher and student are divided", traced=True),
    Knob("distill.weight", 1.0, between(0, 1), "share of the teacher in the loss; the targets have the rest", traced=True),
    Knob("model.name", "mlp", Registered("lamv.models.MODELS"), "network"),
    Knob("model.widths", (), whole_numbers(1, MAX_WIDTH, MAX_LAYERS), "hidden widths of mlp, cnn and embedding_bag;"
         " (): the model's own"),
    Knob("model.dtype", "float32", one_of("float32", "bfloat16"), "of the computation; parameters stay float32"),
    Knob("optim.name", "sgd", one_of("sgd", "adam", "adamw"), "optimiser"),
    Knob("optim.lr", 0.1, above(0), "peak learning rate", traced=True),
    Knob("optim.momentum", 0.9, below(0, 1), "sgd: momentum"),
    Knob("optim.nesterov", False, anything, "sgd: Nesterov's momentum"),
    Knob("optim.weight_decay", 0.0, at_least(0), "coefficient; kernels only, never biases and norms", traced=True),
    Knob("optim.decay", str, one_of("penalty", "decoupled"), "weight_decay / 2 ||W||^2 in the loss (unset, sgd and adam)"
         " or lr x weight_decay x W off the weights (unset, adamw)"),
    Knob("optim.schedule", "cosine", one_of("cosine", "step", "constant"), "of the learning rate after the warm-up"),
    Knob("optim.milestones", (0.5, 0.75), fractions, "step: fractions of the run after which lr is multiplied by gamma"),
    Knob("optim.gamma", 0.1, between(0, 1), "step: factor at each milestone"),
    Knob("optim.warmup", 0, at_least(0), "steps of linear warm-up"),
    Knob("optim.after_switch", "all", one_of("all", "head"), "what learns from method.switch on: all, or the last layer on"
         " frozen features"),
    Knob("optim.clip_norm", 0.0, at_least(0), "clip the gradient to this global norm; 0: never"),
    Knob("parallel.map", "shard_map", one_of("shard_map", "pmap"), "how the step is mapped over devices", free=True),
    Knob("parallel.replicas", "auto", one_of("auto", "vmap", "loop"), "seeds of a row: side by side (vmap), or one after"
         " another (loop); auto: vmap for models without convolutions"),
    Knob("parallel.rows", "auto", one_of("auto", "together", "apart"), "rows of one program: trained side by side, or one"
         " after another; auto: together where seeds are"),
    Knob("parallel.dispatch", "auto", one_of("auto", "loop", "step"), "many steps per dispatch in a compiled loop, or one"
         " by one; auto: loop, but step for convolutions on a CPU", free=True),
    Knob("parallel.spread", 1, at_least(1), "shard_map: device groups over which replicas are spread", free=True),
    Knob("parallel.devices", 0, at_least(0), "how many devices to use; 0: all", free=True),
)  # fmt: skip
KNOB = {knob.key: knob for knob in KNOBS}

#: Of a recipe as a whole, and of no row.
WHOLE = ("rows", "claims", "published")


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as {"a.b.c": value}; keys may be dotted already. WHOLE, and what lies deeper than knobs, is kept."""
    flat = {}
    for key, value in tree.items():
        if hasattr(value, "items") and key not in WHOLE and prefix.count(".") < 10:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def get(config, key: str) -> Any:
    """The value of a knob by its dotted key."""
    for part in key.split("."):
        config = config[part]
    return config
