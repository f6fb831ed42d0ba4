"""One training step, from step number to new state, as a pure function.

    step number -> indices -> batch (inputs, targets) -> method -> loss -> gradient -> state

Everything random is drawn from (seed, step, position in the global batch) alone: no iterator, no generator, nothing to
save but parameters and optimiser. What happens at step t depends neither on when the run was interrupted, nor on how
many devices it runs on.

Functions are of one replica and one device's share of the batch; lamv.train.parallel maps them over both.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lamv import models
from lamv.config import decay_of, methods_of
from lamv.core import batch, laws, mixing
from lamv.core.losses import LOSSES, confidence_penalty, distillation, max_suppression, weight_penalty
from lamv.core.methods import METHODS, apply, knobs_of
from lamv.core.mitigation import scale_slopes
from lamv.core.targets import SoftLabels, even_soft_labels, updated_soft_labels
from lamv.data.resident import DataView, Examples, SplitIndex
from lamv.errors import ConfigError, nearest
from lamv.models.classifier import check_ends
from lamv.models.layers import entering, layer_names
from lamv.train.batches import Batch, Batches, Draw, batch_indices
from lamv.train.mitigations import MITIGATIONS
from lamv.train.optimisation import optimiser
from lamv.train.parallel import DATA_AXIS
from lamv.train.replica import INIT, MIX, ORDER, OUTER, PAIRS, Knobs, State, root_key, step_key

#: The stage of the warm-up steps (mitigation jtt); those of the run itself are 0, and 1 from the switch on.
WARM_UP = -1


class Program:
    """What is computed for a row of a recipe: `init`, one `step` of training, `forward` in evaluation.

    config: its traced knobs are not looked at. view: of the data only shapes and the normalisation enter. teacher: the
    config of a teacher's row, of which only the model enters. warm_up_steps: of a first stage, before the schedule of the
    learning rate. Raises ConfigError for a model that does not fit the data.
    """

    def __init__(self, config, view: DataView, teacher=None, *, warm_up_steps: int = 0):
        self.config, self.view, self.warm_up_steps = config, view, warm_up_steps
        self.batches = Batches(config, view)
        self.model, self.teacher = _model(config, view), None if teacher is None else _model(teacher, view)
        self.methods = [METHODS[name] for name in methods_of(config)]
        self.loss = LOSSES[config.loss.name]
        self.embeds = view.num_words > 0
        self.remembers = any("running" in knobs_of(method) for method in self.methods)
        self.has_soft_labels = any("soft_labels" in knobs_of(method) for method in self.methods)
        self.train_size = view.train.rows.shape[1]
        self.mitigation = MITIGATIONS[config.mitigation.name](config, view, axis=DATA_AXIS, warm_up_steps=warm_up_steps)
        # Traced now, so that a model which does not fit the data says so before anything is written or compiled.
        (_, features), variables = jax.eval_shape(self._initial, jax.random.key(0))
        self.feature_size = features.shape[-1]
        check_ends(config.model.name, self.model, variables["params"], math.prod(view.shape), self.feature_size)
        self._check_layers()

    def init(self, knobs: Knobs) -> State:
        """The state before the first step."""
        variables = self._initial(jax.random.fold_in(root_key(knobs), INIT))[1]
        params = variables["params"]
        classes = self.view.num_classes
        running = jnp.full((self.train_size, classes), 1 / classes) if self.remembers else ()
        kept = {name: jnp.zeros(shape) for name, shape in self.mitigation.shapes.items()}
        moments = optimiser(self.config, knobs).init(params)
        soft = even_soft_labels(classes) if self.has_soft_labels else ()
        return State(
            params, variables.get("batch_stats", {}), moments, jnp.float32(0), jnp.int32(0), running, kept, soft
        )

    def step(
        self, state: State, knobs: Knobs, table: SplitIndex, examples: Examples, t, *, stage: int = 0, teacher=None
    ) -> State:
        """The state after step t. table: the training set of the replica, each array (M,).

        stage: 1 from the switch on; WARM_UP before the run itself, which is plain ERM. teacher: its variables, if any.
        """

        def once(state: State, t) -> State:
            drawn = self.drawn(state, knobs, table, examples, t, stage=stage)
            return self.trained(state, knobs, drawn, stage=stage, teacher=teacher)

        def judged(state: State):
            return self.judged(state, knobs, table, examples, t)

        return self.mitigation.stepped(state, knobs.mitigation, t, once, judged)

    def drawn(self, state: State, knobs: Knobs, table: SplitIndex, examples: Examples, t, *, stage: int = 0) -> Batch:
        """The batch of step t."""
        draw = Draw(t, batch.part(self.config.batch_size, DATA_AXIS))
        if stage == WARM_UP or "sampling" not in self.mitigation.shapes:
            indices = batch_indices(root_key(knobs), draw, self.train_size)
        else:
            done = (t - self.warm_up_steps) / knobs.steps
            indices = self.mitigation.indices(state.mitigation, step_key(knobs, ORDER, t), draw.rows, done)
        return self.batches.at(examples, table, indices, knobs, draw=draw)

    def judged(self, state: State, knobs: Knobs, table: SplitIndex, examples: Examples, t) -> tuple[jax.Array, Batch]:
        """(B,) losses of the network in evaluation, and their batch: training examples as they are, other than `drawn`."""
        draw = Draw(t, batch.part(self.config.batch_size, DATA_AXIS))
        indices = batch_indices(jax.random.fold_in(root_key(knobs), OUTER), draw, self.train_size)
        seen = self.batches.at(examples, table, indices, knobs)
        return self.loss.function(self.forward(state, seen.inputs)[0], seen.targets), seen

    def trained(self, state: State, knobs: Knobs, drawn: Batch, *, stage: int = 0, teacher=None) -> State:
        """The state after a step on this batch."""
        t, number = drawn.draw.t, len(drawn.labels)
        before = self.augmented(drawn, state, knobs, stage=stage)
        only_head = stage == 1 and self.config.optim.after_switch == "head"
        plain = stage == WARM_UP
        loss_of = self._loss_of(knobs, plain)
        taught = None if self.teacher is None or plain else self.teacher.apply(teacher, before.inputs, train=False)[0]

        def objective(params):
            # Embeddings learn: what is made of them is a function of the parameters.
            made = self.augmented(drawn, state._replace(params=params), knobs, stage=stage) if self.embeds else before
            with entering(made.hidden):
                # Frozen features are those of evaluation: statistics of the batch would go on changing them.
                (logits, _), updated = self.model.apply(
                    state._replace(params=params).variables, made.inputs, train=not only_head, mutable=["batch_stats"]
                )
            scored = self.mitigation.scored(state.mitigation, knobs.mitigation, logits, made.memberships)
            losses = loss_of(scored, made.targets)
            if taught is not None:
                share = knobs.distill["weight"]
                losses = (1 - share) * losses + share * distillation(logits, taught, knobs.distill["temperature"])
            weighted = losses if made.weights is None else losses * made.weights
            loss = jnp.sum(weighted) / number
            penalty = knobs.weight_decay * weight_penalty(params) if decay_of(self.config) == "penalty" else 0.0
            weighed, kept = self.mitigation.weighed(
                state.mitigation, knobs.mitigation, made, losses,
                lambda: scale_slopes(loss_of, scored, made.targets), t,
            )  # fmt: skip
            to_minimise = loss if weighed is None else jnp.sum(weighed) / number
            rest = penalty + (0.0 if plain else self._confidence_penalty(logits, knobs, t))
            total = to_minimise + self.mitigation.share_of_rest(knobs.mitigation, t) * rest
            return total, (loss, updated.get("batch_stats", {}), logits, kept)

        gradient, (loss, batch_stats, logits, kept) = jax.grad(objective, has_aux=True)(state.params)
        # The step is mapped without replication tracking, so a gradient is this device's own until it is averaged.
        gradient, loss = lax.pmean((gradient, loss), DATA_AXIS)
        if only_head:
            gradient = only(self.model.last, gradient)
        updates, moments = optimiser(self.config, knobs).update(gradient, state.optimiser, state.params)
        if only_head:  # momentum and decay would still move what has no gradient
            updates = only(self.model.last, updates)
        params = optax.apply_updates(state.params, updates)
        running = self._remembered(state.running, drawn.indices, logits, knobs) if self.remembers else ()
        soft = self._soft_labels(state.soft, drawn, logits) if self.has_soft_labels else ()
        return State(params, batch_stats, moments, state.loss_sum + loss, state.loss_steps + 1, running, kept, soft)

    def method(self, stage: int):
        """The method of a stage."""
        return METHODS["erm"] if stage == WARM_UP else self.methods[stage]

    def forward(self, state: State, inputs):
        """(logits (B, K), features (B, D)) of the network in evaluation."""
        return self.model.apply(state.variables, inputs, train=False)

    def embedded(self, state: State, inputs):
        """What a method is given for inputs: of texts their embeddings, since numbers of words cannot be mixed."""
        return self.model.apply(state.variables, inputs, method="embed") if self.embeds else inputs

    def augmented(self, drawn: Batch, state: State, knobs: Knobs, *, stage: int, law=None) -> batch.Augmented:
        """The batch after the method of this stage. law: of lam, in place of the method's."""
        inputs = self.embedded(state, drawn.inputs)
        if stage == WARM_UP:
            return batch.Augmented(inputs, drawn.targets)
        config, (t, rows) = self.config.method, drawn.draw
        given = {name: laws.parse(config[name]) if config[name] else None for name in ("law", "target_law")}
        given["law"] = given["law"] if law is None else law

        def predict(inputs):
            return lax.stop_gradient(self.loss.outputs(self.forward(state, inputs)[0]))

        offered = {"prior": self.view.class_frequencies, "predict": predict}
        if self.remembers:
            offered["running"] = state.running[drawn.indices]
        if self.has_soft_labels:
            offered["soft_labels"] = state.soft.rows
        pairs_key = step_key(knobs, PAIRS, t)
        # Mixup splits its key in two, which is what folding in 0 and 1 does.
        pairs = self.mitigation.pairs(jax.random.fold_in(pairs_key, 2), drawn, knobs.mitigation)
        made = apply(
            self.method(stage), step_key(knobs, MIX, t), inputs, drawn.targets,
            knobs={**config.to_dict(), **given, **knobs.method}, rows=pairs,
            memberships=self.mitigation.memberships(state.mitigation, drawn), **offered,
        )  # fmt: skip
        if pairs is rows or self.methods[stage].combines:
            return made
        # A rule for pairs, and a method that makes none: the mitigation brings a Mixup of its own.
        if not self.config.mitigation.mixes:
            return mixing.unmixed(pairs_key, made.inputs, made.targets, rows=pairs)
        mixed = mixing.mixup(pairs_key, made.inputs, made.targets, alpha=knobs.mitigation["alpha"], rows=pairs)
        return made._replace(inputs=mixed[0], targets=mixed[1])

    def _loss_of(self, knobs: Knobs, plain: bool) -> Callable:
        """(logits, targets) -> (B,), with MaxSup's term, which is weighed with each example as that of smoothing is."""
        if plain or not self.config.loss.max_suppression:
            return self.loss.function
        return lambda z, q: self.loss.function(z, q) + knobs.max_suppression * max_suppression(z)

    def _confidence_penalty(self, logits, knobs: Knobs, t):
        config = self.config.loss
        if not config.confidence_penalty:
            return 0.0
        risen = jnp.minimum((t + 1 - self.warm_up_steps) / config.anneal, 1.0) if config.anneal else 1.0
        return risen * knobs.confidence_penalty * jnp.mean(confidence_penalty(logits, knobs.entropy_threshold))

    def _remembered(self, running, indices, logits, knobs: Knobs):
        """The running mean of predictions, moved towards those of this batch; the same on every device."""
        outputs = self.loss.outputs(logits[: len(indices)])
        indices, outputs = lax.all_gather((indices, outputs), DATA_AXIS, tiled=True)
        decay = knobs.method["running_decay"]
        return running.at[indices].set(decay * running[indices] + (1 - decay) * outputs)

    def _soft_labels(self, soft: SoftLabels, drawn: Batch, logits) -> SoftLabels:
        """The soft labels after this batch; the same on every device."""
        outputs = self.loss.outputs(logits[: len(drawn.indices)])
        outputs, targets = lax.all_gather((outputs, drawn.targets), DATA_AXIS, tiled=True)
        per_epoch = self.train_size // self.config.batch_size
        return updated_soft_labels(soft, outputs, targets, (drawn.draw.t + 1) % per_epoch == 0)

    def _initial(self, key):
        # ((logits, features), variables) of one blank example.
        return self.model.init_with_output(key, jnp.zeros((1, *self.view.shape)), train=False)

    def _check_layers(self) -> None:
        """The layers that are to be mixed exist. Raises ConfigError."""
        if not any("layers" in knobs_of(method) for method in self.methods):
            return
        known = ["input", *layer_names(self.model, self.view.shape)]
        for layer in self.config.method.layers:
            if layer not in known:
                raise ConfigError(
                    f"config.method.layers has {layer!r}, which {self.config.model.name} lacks{nearest(layer, known)}; its"
                    f" layers: {', '.join(known)}"
                )


def _model(config, view: DataView):
    return models.build(
        config.model.name, num_classes=view.num_classes, widths=config.model.widths or None,
        dtype=config.model.dtype, axis_name=DATA_AXIS, num_words=view.num_words,
    )  # fmt: skip


def only(layer: str, updates):
    """Updates with those of all other layers at 0."""
    return {name: tree if name == layer else jax.tree.map(jnp.zeros_like, tree) for name, tree in updates.items()}
