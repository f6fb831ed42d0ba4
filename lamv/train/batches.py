"""A batch: from indices into a split to the inputs and targets of the network.

indices -> stored examples -> crop, flip -> raw units -> cue -> normalised -> cutout -> flattened -> targets
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core import batch, images, shortcuts
from lamv.core.targets import flip, one_hot
from lamv.data.partners import SCALE as PARTNER_SCALE
from lamv.data.resident import DataView, Examples, SplitIndex
from lamv.train.replica import AUGMENT, CUE, LABEL_NOISE, ORDER, Knobs, root_key, step_key


class Draw(NamedTuple):
    """Step t of training, and the rows of the global batch that this device has."""

    t: jax.Array
    rows: batch.Rows


class Stored(NamedTuple):
    """Examples as the data holds them, (B, ...) each.

    ids: numbers of the examples in the data, which key what is drawn once for an example. labels: of the replica.
    attributes, groups, environments: int32. partners: second images of a cue in raw units. Without them: ().
    """

    ids: jax.Array
    inputs: jax.Array
    labels: jax.Array
    attributes: jax.Array
    groups: jax.Array
    environments: jax.Array | tuple
    partners: jax.Array | tuple


class Batch(NamedTuple):
    """One device's share of a batch.

    indices: (B,) int32 into the split. inputs: (B, ...) float32 as the network sees them. targets: (B, K), with the label
    noise. draw: a Draw, or None in an evaluation. The rest as in Stored.
    """

    indices: jax.Array
    inputs: jax.Array
    labels: jax.Array
    targets: jax.Array
    attributes: jax.Array
    groups: jax.Array
    environments: jax.Array | tuple
    draw: Any


def batch_indices(key, draw: Draw, train_size: int):
    """(B,) indices into the training set of this device's share of batch t.

    Every epoch is a fresh permutation cut into train_size // batch_size batches; the rest of it is left out.
    """
    t, rows = draw
    per_epoch = train_size // rows.batch_size
    epoch_key = jax.random.fold_in(jax.random.fold_in(key, ORDER), t // per_epoch)
    return batch.permuted(epoch_key, (t % per_epoch) * rows.batch_size + rows.positions, train_size)


class Batches:
    """The batches of the replicas of a program."""

    def __init__(self, config, view: DataView):
        self.config, self.view = config.data, view

    def at(
        self, examples: Examples, table: SplitIndex, indices, knobs: Knobs, *, draw: Draw | None = None,
        change: Callable | None = None,
    ) -> Batch:  # fmt: skip
        """The batch of these indices into a split; see `inputs` for draw and change."""
        stored = self.gather(examples, table, indices)
        inputs = self.inputs(stored, knobs, draw=draw, change=change)
        targets = self.targets(stored, knobs, lambda others: examples.labels[table.rows[others]])
        return Batch(
            indices, inputs, stored.labels, targets, stored.attributes, stored.groups, stored.environments, draw
        )

    def gather(self, examples: Examples, table: SplitIndex, indices) -> Stored:
        """From the arrays on the device. table: a split of the replica, each array (M,)."""
        ids = table.rows[indices]
        inputs = examples.inputs[ids]
        labels = examples.labels[ids] if isinstance(table.labels, tuple) else table.labels[indices]
        environments = table.environments if isinstance(table.environments, tuple) else table.environments[indices]
        partners = ()
        if not isinstance(table.partners, tuple):
            own = isinstance(examples.partners, tuple)
            images, scale = (
                (examples.inputs, self.view.normalisation.scale) if own else (examples.partners, PARTNER_SCALE)
            )
            partners = images[table.partners[indices]].astype(jnp.float32) / scale
        return Stored(ids, inputs, labels, table.attributes[indices], table.groups[indices], environments, partners)

    def inputs(self, stored: Stored, knobs: Knobs, *, draw: Draw | None = None, change: Callable | None = None):
        """(B, ...) float32 as the network sees them.

        draw: for the random crop, flip and cutout of a step of training. change: (inputs over their scale, so images in
        [0, 1], ids) -> inputs, before they are normalised.
        """
        config, inputs, keys = self.config, stored.inputs, None
        if draw is not None and inputs.ndim == 4:
            keys = jax.vmap(lambda key: jax.random.split(key, 3))(draw.rows.keys(step_key(knobs, AUGMENT, draw.t)))
            inputs = jax.vmap(lambda k, x: images.random_crop(k, x, padding=config.augment.crop))(keys[:, 0], inputs)
            if config.augment.flip:
                inputs = jax.vmap(images.random_flip)(keys[:, 1], inputs)
        normalisation = self.view.normalisation
        inputs = inputs.astype(jnp.float32) / normalisation.scale
        if change is not None:
            inputs = change(inputs, stored.ids)
        if shortcuts.acts_on_images(config.shortcut.kind):
            inputs = self._planted(inputs, stored, knobs, **self._second(inputs, stored, knobs, draw))
        if config.normalise:
            mean, std = (np.array(v, np.float32, ndmin=inputs.ndim) for v in normalisation[1:])
            inputs = (inputs - mean) / std
        if knobs.standardise:
            inputs = self._standardised(inputs, *knobs.standardise)
        if keys is not None:
            inputs = jax.vmap(lambda k, x: images.cutout(k, x, size=config.augment.cutout))(keys[:, 2], inputs)
        if config.flatten:
            inputs = inputs.reshape(len(inputs), -1)
        if config.shortcut.kind != "none" and not shortcuts.acts_on_images(config.shortcut.kind):
            inputs = self._planted(inputs, stored, knobs)
        return inputs

    def targets(self, stored: Stored, knobs: Knobs, label_at: Callable):
        """(B, K) targets with label noise, drawn once for each example.

        label_at: (B,) indices into the training set -> their labels, for the noise of a regression.
        """
        noise_key = jax.random.fold_in(root_key(knobs), LABEL_NOISE)
        train_size = self.view.train.rows.shape[-1]
        rows = batch.Rows(stored.ids, train_size)
        if not self.view.regression:
            targets = one_hot(stored.labels, self.view.num_classes)
            return flip(noise_key, targets, knobs.label_noise, rows=rows) if self.config.label_noise else targets
        labels = stored.labels
        if self.config.label_noise:
            noisy_key, other_key = jax.random.split(noise_key)
            noisy = jax.vmap(jax.random.uniform)(rows.keys(noisy_key)) < knobs.label_noise
            others = jax.vmap(lambda key: jax.random.randint(key, (), 0, train_size))(rows.keys(other_key))
            labels = jnp.where(noisy, label_at(others), labels)
        return labels[:, None]

    def _standardised(self, inputs, mean, deviation):
        """Standardised by the training set; a missing value is its mean. Without data.normalise only that is filled in."""
        filled = jnp.where(jnp.isnan(inputs), mean[None], inputs)
        return (filled - mean[None]) / deviation[None] if self.config.normalise else filled

    def _planted(self, inputs, stored: Stored, knobs: Knobs, **second):
        """Every example with its cue. second: of `_second`."""
        shortcut, classes = self.config.shortcut, self.view.num_classes
        shape = shortcuts.noise_shape(shortcut.kind, inputs.shape[1:], classes)
        cue_key = jax.random.fold_in(root_key(knobs), CUE)

        def plant(x, number, attribute, second):
            # Keyed by the example: the noise is part of the data.
            noise = knobs.noise * jax.random.normal(jax.random.fold_in(cue_key, number), shape)
            return shortcuts.plant(
                shortcut.kind, x, attribute, knobs.strength, noise,
                num_classes=classes, coding=shortcut.coding, **second,
            )  # fmt: skip

        return jax.vmap(plant)(inputs, stored.ids, stored.attributes, second)

    def _second(self, inputs, stored: Stored, knobs: Knobs, draw: Draw | None) -> dict:
        """The second image of each example, where the cue is made of one, and the share of the first in cat_channel.

        The share is drawn anew at every step of training, and once for an example in evaluation.
        """
        kind = self.config.shortcut.kind
        if not shortcuts.needs_partner(kind):
            return {}
        # Examples of another data set have no partners.
        partner = jnp.zeros_like(inputs) if isinstance(stored.partners, tuple) else stored.partners
        if kind != "cat_channel":
            return {"partner": partner}
        if draw is None:
            cue_key = jax.random.fold_in(root_key(knobs), CUE)
            keys = jax.vmap(jax.random.fold_in, (None, 0))(cue_key, stored.ids)
        else:
            keys = draw.rows.keys(step_key(knobs, AUGMENT, draw.t))
        # Crop, flip and cutout have the first three keys.
        share = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 3)))(keys)
        return {"partner": partner, "share": share}
