"""One training step, from step number to new state, as a pure function.

    step number -> row numbers -> inputs (augmented, normalised, cue planted) -> targets -> method -> loss -> gradient

Everything random is drawn from (seed, step, position in the global batch) alone: no iterator, no generator, nothing to
save but parameters and optimiser. What happens at step t depends neither on when the run was interrupted, nor on how
many devices it runs on.

The functions here speak of one replica and of one device's share of the batch; lamv.train.parallel maps them over both.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from lamv import models
from lamv.config import decay_of, methods_of
from lamv.core import batch, images, laws, metrics, mixing, shortcuts, variance
from lamv.core.losses import LOSSES, confidence_penalty, decays, distillation, weight_penalty
from lamv.core.methods import METHODS, apply, combines, knobs_of
from lamv.core.mitigation import scale_slopes
from lamv.core.targets import flip, one_hot
from lamv.data.partners import SCALE as PARTNER_SCALE
from lamv.data.resident import Examples, Plan, Table
from lamv.errors import ConfigError, nearest
from lamv.knobs import KNOBS
from lamv.models.classifier import check_ends
from lamv.models.layers import entering, layer_names
from lamv.train.mitigations import MITIGATIONS, nothing_kept
from lamv.train.parallel import DATA_AXIS

#: The named streams of randomness. Numbers are part of the definition of a run: never renumber, only add.
INIT, ORDER, AUGMENT, MIX, CUE, LABEL_NOISE, PAIRS = range(7)

#: The phase of a first stage (mitigation jtt); those of the run itself are 0, and 1 from the switch on.
FIRST_STAGE = -1


class Knobs(NamedTuple):
    """The traced knobs of a replica, as scalars; see `traced` in lamv.config.

    standardise: (mean, deviation), (D,) each, of its training set, where inputs are standardised by that; else ().
    """

    seed: jax.Array
    lr: jax.Array
    weight_decay: jax.Array
    confidence_penalty: jax.Array
    entropy_threshold: jax.Array
    label_noise: jax.Array
    strength: jax.Array
    noise: jax.Array
    method: dict[str, jax.Array]
    mitigation: dict[str, jax.Array]
    distill: dict[str, jax.Array]
    standardise: tuple[jax.Array, jax.Array] | tuple = ()


class State(NamedTuple):
    """What training changes. `loss_sum` and `loss_steps` gather the loss since the last logged step.

    running: (train_size, K) running mean of the predictions for each place of the training set, or () where no method
    of the run asks for it. mitigation: what that of the run keeps, see lamv.train.mitigations.
    """

    params: Any
    batch_stats: Any
    optimiser: Any
    loss_sum: jax.Array
    loss_steps: jax.Array
    running: Any
    mitigation: dict[str, jax.Array]


class Measured(NamedTuple):
    """The sums of one evaluation: predictions, and class moments of the features and of the outputs."""

    predictions: metrics.PredictionSums | metrics.RegressionSums
    features: variance.Moments
    outputs: variance.Moments


def traced_knobs(config, seed: int) -> Knobs:
    """The traced knobs of a config, as numpy scalars, for the replica with this seed."""
    loss, shortcut = config.loss, config.data.shortcut
    values = (
        config.optim.lr, config.optim.weight_decay, loss.confidence_penalty, loss.entropy_threshold,
        config.data.label_noise, shortcut.strength, shortcut.noise,
    )  # fmt: skip

    def traced_in(part: str) -> dict:
        keys = [knob.key for knob in KNOBS if knob.traced and knob.key.startswith(f"{part}.")]
        return {name: np.float32(config[part][name]) for _, name in (key.split(".") for key in keys)}

    return Knobs(
        np.uint32(seed), *(np.float32(value) for value in values),
        traced_in("method"), traced_in("mitigation"), traced_in("distill"),
    )  # fmt: skip


class Program:
    """What is computed for a row of a recipe: `init`, one `step` of training, the `tally` of one batch of evaluation.

    config: of any row of the program; its traced knobs are not looked at. plan: the data of its replicas; only shapes
    and the normalisation enter. steps: length of training, for the schedule of the learning rate; first_step: those of a
    first stage, which come before. teacher: the config of the row that teaches, of which only the model enters; None
    without one. Raises ConfigError for a model that does not fit the data.
    """

    def __init__(self, config, plan: Plan, steps: int, teacher=None, *, first_step: int = 0):
        self.config, self.plan, self.steps, self.first_step = config, plan, steps, first_step
        self.model, self.teacher = _model(config, plan), None if teacher is None else _model(teacher, plan)
        self.methods = [METHODS[name] for name in methods_of(config)]
        self.loss = LOSSES[config.loss.name]
        self.remembers = any("running" in knobs_of(method) for method in self.methods)
        self.train_size = plan.train.rows.shape[1]
        self.mitigation = MITIGATIONS[config.mitigation.name](config, plan, axis=DATA_AXIS, first_step=first_step)
        # Traced now, so that a model which does not fit the data says so before anything is written or compiled.
        (_, features), variables = jax.eval_shape(self._initial, jax.random.key(0))
        self.feature_size = features.shape[-1]
        check_ends(config.model.name, self.model, variables["params"], math.prod(plan.shape), self.feature_size)
        self._check_layers()

    def init(self, knobs: Knobs) -> State:
        """The state before the first step."""
        variables = self._initial(jax.random.fold_in(root_key(knobs), INIT))[1]
        params = variables["params"]
        optimiser = self._optimiser(knobs).init(params)
        classes = self.plan.num_classes
        running = jnp.full((self.train_size, classes), 1 / classes) if self.remembers else ()
        kept = nothing_kept(self.mitigation.shapes)
        return State(params, variables.get("batch_stats", {}), optimiser, jnp.float32(0), jnp.int32(0), running, kept)

    def step(
        self, state: State, knobs: Knobs, table: Table, examples: Examples, t, *, phase: int = 0, teacher=None
    ) -> State:
        """Step number t. table: the training set of the replica, each array (M,).

        phase: 1 from the switch on; FIRST_STAGE before `first_step`, which is plain ERM. teacher: the variables of the
        replica's teacher, where the program has one.
        """
        rows = batch.part(self.config.batch_size, DATA_AXIS)
        places = self.places(phase, state, knobs, t, rows)
        inputs, labels = self.examples_at(examples, table, places, knobs, augment=(t, rows))
        targets = self.targets_of(labels, table, places, examples, knobs)
        made = self.augmented(phase, state, knobs, table, inputs, labels, targets, places, rows, t)
        only_head = phase == 1 and self.config.optim.after_switch == "head"
        plain = phase == FIRST_STAGE
        taught = None if self.teacher is None or plain else self.teacher.apply(teacher, made.inputs, train=False)[0]

        def objective(params):
            variables = {"params": params, **_collection(state.batch_stats)}
            with entering(made.hidden):
                # Frozen features are those of evaluation: statistics of the batch would go on changing them.
                (logits, _), updated = self.model.apply(
                    variables, made.inputs, train=not only_head, mutable=["batch_stats"]
                )
            scored = self.mitigation.scored(state.mitigation, knobs.mitigation, logits, made.memberships)
            losses = self.loss.function(scored, made.targets)
            if taught is not None:
                share = knobs.distill["weight"]
                losses = (1 - share) * losses + share * distillation(logits, taught, knobs.distill["temperature"])
            weighted = losses if made.weights is None else losses * made.weights
            loss = jnp.sum(weighted) / len(labels)
            penalty = knobs.weight_decay * weight_penalty(params) if decay_of(self.config) == "penalty" else 0.0
            weighed, kept = self.mitigation.weighed(
                state.mitigation, knobs.mitigation, made, losses,
                lambda: scale_slopes(self.loss.function, scored, made.targets), t,
            )  # fmt: skip
            to_minimise = loss if weighed is None else jnp.sum(weighed) / len(labels)
            rest = penalty + (0.0 if plain else self._confidence_penalty(logits, knobs, t))
            total = to_minimise + self.mitigation.share_of_rest(knobs.mitigation, t) * rest
            return total, (loss, updated.get("batch_stats", {}), logits, kept)

        gradient, (loss, batch_stats, logits, kept) = jax.grad(objective, has_aux=True)(state.params)
        # The step is mapped without replication tracking, so a gradient is this device's own until it is averaged.
        gradient, loss = lax.pmean((gradient, loss), DATA_AXIS)
        if only_head:
            gradient = self._of_last_layer(gradient)
        updates, optimiser = self._optimiser(knobs).update(gradient, state.optimiser, state.params)
        if only_head:  # momentum and decay would still move what has no gradient
            updates = self._of_last_layer(updates)
        params = optax.apply_updates(state.params, updates)
        running = self._remembered(state.running, places, logits, knobs) if self.remembers else ()
        return State(params, batch_stats, optimiser, state.loss_sum + loss, state.loss_steps + 1, running, kept)

    def method(self, phase: int):
        """What is done to a batch in that phase."""
        return METHODS["erm"] if phase == FIRST_STAGE else self.methods[phase]

    def places(self, phase: int, state: State, knobs: Knobs, t, rows: batch.Rows):
        """(B_local,) places in the training set of this device's share of batch t."""
        if phase == FIRST_STAGE or not self.mitigation.draws:
            return batch_places(root_key(knobs), t, rows, self.train_size)
        return self.mitigation.places(state.mitigation, step_key(knobs, ORDER, t), rows)

    def nothing(self, knobs: Knobs) -> Measured:
        """The sums of no example, where a tally starts."""
        classes = self.plan.num_classes
        nobody = jnp.zeros(0, jnp.int32)
        return Measured(
            self.predictions(jnp.zeros((0, classes)), nobody, nobody, nobody, nobody),
            variance.empty(classes, self.feature_size),
            variance.empty(classes, classes),
        )

    def tally(self, sums: Measured, state: State, knobs: Knobs, table: Table, examples: Examples, count, b) -> Measured:
        """Add batch number b of a split to the sums. Its first `count` places are real, the table may be padded."""
        places, mask = self.evaluated(table, count, b)
        inputs, labels = self.examples_at(examples, table, places, knobs)
        logits, features = self.forward(state, inputs)
        classes = self.plan.num_classes
        predictions = self.predictions(logits, labels, mask, table.groups[places], table.attributes[places])
        if self.plan.regression:
            labels = jnp.zeros_like(labels, jnp.int32)  # of one class, for the moments
        of_features = variance.class_moments(features, labels, classes, mask)
        of_outputs = variance.class_moments(self.loss.outputs(logits), labels, classes, mask)
        return Measured(
            jax.tree.map(lambda old, new: old + lax.psum(new, DATA_AXIS), sums.predictions, predictions),
            variance.merge(sums.features, variance.merge_over(of_features, DATA_AXIS)),
            variance.merge(sums.outputs, variance.merge_over(of_outputs, DATA_AXIS)),
        )

    def evaluated(self, table: Table, count, b):
        """Places in a split of this device's share of batch b of an evaluation, and which of them are real."""
        devices = lax.axis_size(DATA_AXIS)
        # Rounded up to an equal share for every device; places beyond the end are masked anyway.
        rows = batch.part(-(-self.config.eval_batch_size // devices) * devices, DATA_AXIS)
        places = b * rows.batch_size + rows.positions
        return jnp.minimum(places, table.rows.shape[0] - 1), places < count

    def forward(self, state: State, inputs):
        """(logits, features) of the network as it is tested."""
        return self.model.apply({"params": state.params, **_collection(state.batch_stats)}, inputs, train=False)

    def predictions(self, logits, labels, mask, groups, attributes):
        """The sums of these examples, of the kind that the task has."""
        if self.plan.regression:
            return metrics.regression_sums(self.loss.outputs(logits), labels, mask)
        # Only a planted cue says a class: an attribute that comes with the data is of its own kind.
        # (And in cat_channel, another class than the label.)
        cue = attributes if self.config.data.shortcut.kind not in ("none", "cat_channel") else None
        return metrics.prediction_sums(logits, labels, mask, groups, self.plan.num_groups, cue=cue)

    def _initial(self, key):
        """((logits, features), variables) of one blank example."""
        return self.model.init_with_output(key, jnp.zeros((1, *self.plan.shape)), train=False)

    def examples_at(self, examples: Examples, table: Table, places, knobs: Knobs, augment=None, change=None):
        """Inputs as the network sees them, (B_local, ...) float32, and labels, for these places of a split.

        augment: (t, rows) for the random crop, flip and cutout of step t. change: (inputs in their raw units over the
        scale, that is images in [0, 1], and row numbers) -> inputs, before they are normalised.
        """
        config, rows_of_data = self.config.data, table.rows[places]
        inputs = examples.inputs[rows_of_data]
        labels = examples.labels[rows_of_data] if isinstance(table.labels, tuple) else table.labels[places]
        keys = None
        if augment is not None and inputs.ndim == 4:
            t, rows = augment
            keys = jax.vmap(lambda key: jax.random.split(key, 3))(rows.keys(step_key(knobs, AUGMENT, t)))
            inputs = jax.vmap(lambda k, x: images.random_crop(k, x, padding=config.augment.crop))(keys[:, 0], inputs)
            if config.augment.flip:
                inputs = jax.vmap(images.random_flip)(keys[:, 1], inputs)
        normalisation = self.plan.normalisation
        inputs = inputs.astype(jnp.float32) / normalisation.scale
        if change is not None:
            inputs = change(inputs, rows_of_data)
        if shortcuts.acts_on_images(config.shortcut.kind):
            second = self._second(inputs, examples, table, places, knobs, augment)
            inputs = self._planted(inputs, rows_of_data, table.attributes[places], knobs, **second)
        if config.normalise:
            mean, std = (np.expand_dims(v, tuple(range(inputs.ndim - 1))) for v in np.float32(normalisation[1:]))
            inputs = (inputs - mean) / std
        if knobs.standardise:
            inputs = self._standardised(inputs, *knobs.standardise)
        if keys is not None:
            inputs = jax.vmap(lambda k, x: images.cutout(k, x, size=config.augment.cutout))(keys[:, 2], inputs)
        if config.flatten:
            inputs = inputs.reshape(len(inputs), -1)
        if config.shortcut.kind != "none" and not shortcuts.acts_on_images(config.shortcut.kind):
            inputs = self._planted(inputs, rows_of_data, table.attributes[places], knobs)
        return inputs, labels

    def _standardised(self, inputs, mean, deviation):
        """By the training set of the replica, of which a missing value has the mean; means alone without data.normalise."""
        filled = jnp.where(jnp.isnan(inputs), mean[None], inputs)
        return (filled - mean[None]) / deviation[None] if self.config.data.normalise else filled

    def _planted(self, inputs, rows_of_data, attributes, knobs: Knobs, **second):
        """Every example with its cue. second: what `_second` gives of each."""
        shortcut, classes = self.config.data.shortcut, self.plan.num_classes
        shape = shortcuts.noise_shape(shortcut.kind, inputs.shape[1:], classes)
        cue_key = jax.random.fold_in(root_key(knobs), CUE)

        def plant(x, row, attribute, second):
            # Keyed by the example, not by the step: the noise is part of the data.
            noise = knobs.noise * jax.random.normal(jax.random.fold_in(cue_key, row), shape)
            return shortcuts.plant(
                shortcut.kind, x, attribute, knobs.strength, noise,
                num_classes=classes, coding=shortcut.coding, **second,
            )  # fmt: skip

        return jax.vmap(plant)(inputs, rows_of_data, attributes, second)

    def _second(self, inputs, examples: Examples, table: Table, places, knobs: Knobs, augment) -> dict:
        """The second image of each example, where the cue is made of one, and the first one's share in cat_channel.

        The share is drawn anew at every step of training, and once for an example where it is evaluated.
        """
        kind = self.config.data.shortcut.kind
        if not shortcuts.needs_partner(kind):
            return {}
        if isinstance(table.partners, tuple):  # examples of elsewhere, which have no cue
            partner = jnp.zeros_like(inputs)
        elif isinstance(examples.partners, tuple):
            partner = examples.inputs[table.partners[places]].astype(jnp.float32) / self.plan.normalisation.scale
        else:
            partner = examples.partners[table.partners[places]].astype(jnp.float32) / PARTNER_SCALE
        if kind != "cat_channel":
            return {"partner": partner}
        if augment is None:
            cue_key = jax.random.fold_in(root_key(knobs), CUE)
            keys = jax.vmap(jax.random.fold_in, (None, 0))(cue_key, table.rows[places])
        else:
            t, rows = augment
            keys = rows.keys(step_key(knobs, AUGMENT, t))
        # Crop, flip and cutout have the first three keys that are split off; this one is apart from them and from noise.
        share = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 3)))(keys)
        return {"partner": partner, "share": share}

    def targets_of(self, labels, table: Table, places, examples: Examples, knobs: Knobs):
        """(B, K) targets of the training labels, with the noise that they were given once and for all."""
        noise_key = jax.random.fold_in(root_key(knobs), LABEL_NOISE)
        # Keyed by the example, not by the step: an example keeps its wrong label.
        rows = batch.Rows(table.rows[places], self.train_size)
        if not self.plan.regression:
            targets = one_hot(labels, self.plan.num_classes)
            return flip(noise_key, targets, knobs.label_noise, rows=rows) if self.config.data.label_noise else targets
        if self.config.data.label_noise:
            noisy_key, other_key = jax.random.split(noise_key)
            noisy = jax.vmap(jax.random.uniform)(rows.keys(noisy_key)) < knobs.label_noise
            others = jax.vmap(lambda key: jax.random.randint(key, (), 0, self.train_size))(rows.keys(other_key))
            labels = jnp.where(noisy, examples.labels[table.rows[others]], labels)
        return labels[:, None]

    def augmented(
        self, phase: int, state: State, knobs: Knobs, table: Table, inputs, labels, targets, places, rows, t, law=None
    ) -> batch.Augmented:
        """What the method of this phase makes of the batch. law: of lam, in place of the method's own."""
        if phase == FIRST_STAGE:
            return batch.Augmented(inputs, targets)
        config = self.config.method
        given = {name: laws.parse(config[name]) if config[name] else None for name in ("law", "target_law")}
        given["law"] = given["law"] if law is None else law

        def predict(inputs):
            return self.loss.outputs(self.forward(state, inputs)[0])

        offered = {"prior": self.plan.class_frequencies, "predict": predict}
        if self.remembers:
            offered["running"] = state.running[places]
        pairs_key = step_key(knobs, PAIRS, t)
        # Mixup splits its key in two, which is what folding in 0 and 1 does.
        rule_key = jax.random.fold_in(pairs_key, 2)
        pairs = self.mitigation.pairs(rule_key, table, places, labels, knobs.mitigation, rows)
        memberships = self.mitigation.memberships(table, places, labels)
        made = apply(
            self.method(phase), step_key(knobs, MIX, t), inputs, targets,
            knobs={**config.to_dict(), **given, **knobs.method}, rows=pairs, memberships=memberships, **offered,
        )  # fmt: skip
        if pairs is rows or combines(self.methods[phase]):
            return made
        # A rule for pairs, and a method that makes none: the mitigation brings a Mixup of its own.
        mixed = mixing.mixup(pairs_key, made.inputs, made.targets, alpha=knobs.mitigation["alpha"], rows=pairs)
        return made._replace(inputs=mixed[0], targets=mixed[1])

    def _confidence_penalty(self, logits, knobs: Knobs, t):
        config = self.config.loss
        if not config.confidence_penalty:
            return 0.0
        risen = jnp.minimum((t + 1 - self.first_step) / config.anneal, 1.0) if config.anneal else 1.0
        return risen * knobs.confidence_penalty * jnp.mean(confidence_penalty(logits, knobs.entropy_threshold))

    def _remembered(self, running, places, logits, knobs: Knobs):
        """The running mean of predictions, moved towards those of this batch; the same on every device."""
        outputs = self.loss.outputs(logits[: len(places)])
        places, outputs = lax.all_gather((places, outputs), DATA_AXIS, tiled=True)
        decay = knobs.method["running_decay"]
        return running.at[places].set(decay * running[places] + (1 - decay) * outputs)

    def _check_layers(self) -> None:
        """The layers that are to be mixed exist. Raises ConfigError."""
        if not any("layers" in knobs_of(method) for method in self.methods):
            return
        known = ["input", *layer_names(self.model, self.plan.shape)]
        for layer in self.config.method.layers:
            if layer not in known:
                raise ConfigError(
                    f"config.method.layers has {layer!r}, which {self.config.model.name} lacks{nearest(layer, known)}; its"
                    f" layers: {', '.join(known)}"
                )

    def _of_last_layer(self, updates):
        """Updates with those of all other layers at 0."""
        return {
            name: own if name == self.model.last else jax.tree.map(jnp.zeros_like, own) for name, own in updates.items()
        }

    def _optimiser(self, knobs: Knobs) -> optax.GradientTransformation:
        config = self.config.optim
        direction = {
            "sgd": lambda: optax.trace(config.momentum, nesterov=config.nesterov),
            "adam": optax.scale_by_adam,
            "adamw": optax.scale_by_adam,
        }
        chain = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
        chain.append(direction[config.name]())
        if decay_of(self.config) == "decoupled":
            mask = lambda params: jax.tree_util.tree_map_with_path(decays, params)  # noqa: E731
            chain.append(optax.add_decayed_weights(knobs.weight_decay, mask))
        shape = schedule(config, self.steps)
        chain.append(optax.scale_by_learning_rate(lambda count: knobs.lr * shape(count)))
        return optax.chain(*chain)


def root_key(knobs: Knobs) -> jax.Array:
    """The key of a replica. The generator is named, so that a user's default cannot change what a seed means."""
    return jax.random.key(knobs.seed, impl="threefry2x32")


def step_key(knobs: Knobs, stream: int, t) -> jax.Array:
    """The key of one stream at step t."""
    return jax.random.fold_in(jax.random.fold_in(root_key(knobs), stream), t)


def batch_places(key, t, rows: batch.Rows, train_size: int):
    """(B_local,) places in the training set of this device's share of batch t.

    Every epoch is a fresh permutation cut into train_size // batch_size batches; the rest of it is left out.
    """
    per_epoch = train_size // rows.batch_size
    epoch_key = jax.random.fold_in(jax.random.fold_in(key, ORDER), t // per_epoch)
    return batch.permuted(epoch_key, (t % per_epoch) * rows.batch_size + rows.positions, train_size)


def schedule(config, steps: int) -> Callable:
    """Learning rate as a fraction of its peak, by step: linear warm-up, then cosine to 0, steps down, or constant."""
    warmup, rest = config.warmup, max(steps - config.warmup, 1)

    def shape(t):
        if config.schedule == "cosine":
            after = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip((t - warmup) / rest, 0, 1)))
        elif config.schedule == "step":
            passed = sum((t >= fraction * steps).astype(jnp.float32) for fraction in config.milestones)
            after = jnp.float32(config.gamma) ** passed
        else:
            after = jnp.float32(1)
        return jnp.where(t < warmup, (t + 1) / max(warmup, 1), after)

    return shape


def _model(config, plan: Plan):
    return models.build(
        config.model.name, num_classes=plan.num_classes, widths=config.model.widths or None,
        dtype=config.model.dtype, axis_name=DATA_AXIS,
    )  # fmt: skip


def _collection(batch_stats) -> dict:
    return {"batch_stats": batch_stats} if batch_stats else {}
