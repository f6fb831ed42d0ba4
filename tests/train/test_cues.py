"""Cues of images as a program plants them: where they come in, what is drawn once, and what is drawn at every step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lamv import config as configs
from lamv.core import batch
from lamv.core.image_cues import gratings, palette
from lamv.core.shortcuts import ABSENT
from lamv.data.partners import beside
from lamv.data.resident import data_view, examples_of
from lamv.data.splits import Normalisation, Split, Splits
from lamv.rows import expand
from lamv.train import parallel
from lamv.train.batches import Draw
from lamv.train.parallel import DATA_AXIS
from lamv.train.replica import traced_knobs
from lamv.train.session import Session
from lamv.train.step import Program
from lamv.train.variants import VariantRun

RNG = np.random.default_rng(1)


def images_of(number, channels, name="own"):
    inputs = RNG.integers(1, 256, size=(number, 8, 8, channels), dtype=np.uint8)
    part = Split(inputs, (np.arange(number) % 4).astype(np.int32), np.arange(number))
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.2, 0.3, 0.4)[:channels]
    return Splits(name, {"all": part}, tuple("abcd"), Normalisation(255.0, mean, std))


GREY, COLOURED = images_of(40, 1), images_of(40, 3)
DOMINOES = beside(COLOURED, images_of(24, 1, "others"))


class Planted:
    """The inputs of a program with a cue, for one seed."""

    def __init__(self, splits, kind, strength=1.0, seed=3, **knobs):
        named = {f"data.{key.replace('__', '.')}": value for key, value in knobs.items()}
        shortcut = {"data.shortcut.kind": kind, "data.shortcut.strength": strength}
        (row,) = expand(
            configs.defaults(),
            {"steps": 9, "batch_size": 8, "model.name": "linear"} | (shortcut if kind != "none" else {}) | named,
        )
        self.config, self.examples = row.config, examples_of(splits)
        self.view = data_view(splits, [row.config], [seed])
        self.program, self.knobs = Program(row.config, self.view), traced_knobs(row.config, seed, 9)
        self.tables = jax.tree.map(lambda values: values[0], {"train": self.view.train, **self.view.tests})
        self._evaluated = jax.jit(lambda table, places: self._inputs(table, places, None))
        self._trained = jax.jit(lambda table, places, t: self._inputs(table, places, Draw(t, batch.whole(len(places)))))

    def _inputs(self, table, places, draw):
        examples = jax.tree.map(jnp.asarray, self.examples)
        return self.program.batches.at(examples, table, places, self.knobs, draw=draw).inputs

    def __call__(self, split, places, t=None):
        """Inputs as the network sees them, at step t of training or (None) where it is evaluated."""
        places = np.asarray(places)
        table = self.tables[split]
        return np.asarray(self._evaluated(table, places) if t is None else self._trained(table, places, t))

    def raw(self, split, places):
        """The stored images of these places, in [0, 1], and what the cue says of them."""
        table = self.tables[split]
        return self.examples.inputs[table.rows[places]] / np.float32(255), table.attributes[places]


PLACES = np.arange(8)


@pytest.mark.parametrize("flatten, normalise", [(False, False), (True, True)])
def test_colour_comes_before_normalisation_and_flattening(flatten, normalise):
    seen = Planted(GREY, "colour", flatten=flatten, normalise=normalise)
    images, attributes = seen.raw("train", PLACES)
    expected = images * palette(4, 3)[attributes][:, None, None]
    if normalise:
        expected = (expected - 0.4) / 0.2
    found = seen("train", PLACES)
    assert found.shape[1:] == seen.view.shape == ((192,) if flatten else (8, 8, 3))
    np.testing.assert_allclose(found.reshape(8, 8, 8, 3), expected, rtol=1e-5, atol=1e-5)


def test_crop_and_flip_move_the_image_and_not_the_cue():
    seen = Planted(COLOURED, "patch", normalise=False, augment__crop=3, augment__flip=True)
    images, attributes = seen.raw("train", PLACES)
    colours = np.broadcast_to(palette(4, 3)[attributes][:, None, None], (8, 2, 2, 3))
    for t in range(3):
        found = seen("train", PLACES, t)
        np.testing.assert_array_equal(found[:, :2, :2], colours)
        assert not np.allclose(found[:, 2:], images[:, 2:])
    np.testing.assert_allclose(seen("train", PLACES)[:, 2:], images[:, 2:], rtol=1e-6)


def test_the_noise_of_a_cue_belongs_to_the_example():
    seen = Planted(GREY, "frequency", strength=0.5, shortcut__noise=0.2, normalise=False)

    def amplitudes(split, places, t=None):
        images, attributes = seen.raw(split, places)
        found = np.einsum("khw,nhw->nk", gratings((8, 8, 1), 4), (seen(split, places, t) - images)[..., 0]) / 32
        return found - 0.5 * (np.arange(4) == attributes[:, None])

    first = amplitudes("train", PLACES)
    for t, places in ((None, PLACES[::-1]), (0, PLACES), (5, PLACES[::-1])):
        again = amplitudes("train", places, t)
        np.testing.assert_allclose(again[:: -1 if places[0] else 1], first, atol=1e-5)
    several = np.concatenate([first, amplitudes("test_absent", PLACES)])
    assert len(np.unique(several.round(4))) == several.size and 0.12 < several.std() < 0.28


def test_dominoes_show_the_planned_partner_above():
    seen = Planted(DOMINOES, "dominoes", strength=0.5, normalise=False)
    for split in ("train", "test_conflicting", "test_absent"):
        images, attributes = seen.raw(split, PLACES)
        partners = seen.examples.partners[seen.tables[split].partners[PLACES]] / np.float32(255)
        above = 0.5 * partners * (attributes != ABSENT)[:, None, None, None]
        np.testing.assert_allclose(seen(split, PLACES), np.concatenate([above, images], axis=1), atol=1e-6)


def shares(found, images):
    """w of each example, from its first image; (N,)."""
    share = found[..., :3] / images
    np.testing.assert_allclose(share, share[:, :1, :1, :1] + np.zeros_like(share), rtol=1e-3)
    return share[:, 0, 0, 0]


def test_cat_channel_redraws_its_share_at_every_step_of_training_only():
    seen = Planted(COLOURED, "cat_channel", normalise=False)
    images, _ = seen.raw("train", PLACES)
    partners = seen.examples.inputs[seen.tables["train"].partners[PLACES]] / np.float32(255)
    drawn = []
    for t in (0, 1, 0, None, None):
        found = seen("train", PLACES, t)
        share = shares(found, images)
        drawn.append(share)
        np.testing.assert_allclose(found[..., 3:], (1 - share)[:, None, None, None] * partners, atol=1e-4)
    np.testing.assert_array_equal(drawn[0], drawn[2])
    np.testing.assert_array_equal(drawn[3], drawn[4])
    different = np.concatenate([drawn[0], drawn[1], drawn[3]])
    assert len(np.unique(different)) == 24 and different.min() >= 0 and different.max() <= 1
    np.testing.assert_allclose(shares(seen("train", PLACES[::-1]), images[::-1]), drawn[3][::-1], rtol=1e-5)


def test_shares_of_cat_channel_are_uniform():
    seen = Planted(COLOURED, "cat_channel", normalise=False)
    places = np.arange(26)
    images = seen.raw("train", places)[0]
    drawn = np.sort(np.concatenate([shares(seen("train", places, t), images) for t in range(40)]))
    gap = np.abs(drawn - (np.arange(len(drawn)) + 0.5) / len(drawn)).max()
    assert gap < 1.95 / np.sqrt(len(drawn)), "Kolmogorov and Smirnov, at one in a thousand"


def test_the_second_half_of_cat_channel_is_zero_in_the_test_set_and_there_in_the_aligned_one():
    seen = Planted(COLOURED, "cat_channel", normalise=False)
    images, _ = seen.raw("test", PLACES)
    alone = seen("test", PLACES)
    np.testing.assert_allclose(alone[..., :3], images, rtol=1e-6)
    np.testing.assert_array_equal(alone[..., 3:], 0)
    aligned = seen("test_aligned", PLACES)
    share = shares(aligned, images)
    partners = seen.examples.inputs[seen.tables["test_aligned"].partners[PLACES]] / np.float32(255)
    np.testing.assert_allclose(aligned[..., 3:], (1 - share)[:, None, None, None] * partners, atol=1e-4)
    np.testing.assert_array_equal(aligned, seen("test_aligned", PLACES))


def test_the_share_does_not_depend_on_the_number_of_devices():
    seen = Planted(COLOURED, "cat_channel")

    def inputs(knobs, table, examples, t):
        rows = batch.part(8, DATA_AXIS)
        made = seen.program.batches.at(examples, table, rows.positions, knobs, draw=Draw(t, rows))
        return lax.all_gather(made.inputs, DATA_AXIS, tiled=True)

    found = []
    for devices in (1, 4):
        layout = parallel.Layout(seen.config, 1, jax.devices()[:devices])
        one = jax.tree.map(lambda values: np.asarray(values)[None], (seen.knobs, seen.tables["train"]))
        placed = layout.place(one, replicas=True)
        examples = layout.place(seen.examples, replicas=False)
        found.append([np.asarray(layout.mapped(inputs, shared=2)(*placed, examples, np.int32(t))) for t in (0, 7)])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0][0], found[0][1])


def test_labels_that_are_flipped_are_those_that_are_learned():
    seen = Planted(GREY, "none", label_flip=0.5)
    table, places = seen.tables["train"], np.arange(26)
    made = seen.program.batches.at(seen.examples, table, places, seen.knobs)
    np.testing.assert_array_equal(made.labels, table.labels)
    assert np.any(table.labels != seen.examples.labels[table.rows])
    np.testing.assert_array_equal(np.argmax(made.targets, axis=1), table.labels)


def test_a_run_trains_and_is_tested_with_all_that_can_be_planned():
    knobs = {
        "data.shortcut.kind": "dominoes",
        "data.shortcut.images": "digits",
        "data.shortcut.environments": (0.9, 0.8),
        "data.label_flip": 0.1,
        "data.valid_size": 100,
        "data.flatten": True,
        "model.name": "linear",
        "steps": 2,
    }
    rows = expand(configs.defaults(), knobs)
    run = VariantRun(rows[0], Session(rows, jax.devices()[:1]))
    run.init()
    run.advance(0, 2)
    (found,) = run.evaluate(["test"])
    assert all(np.isfinite(value) for value in found.values())
    splits = list(run.view.tests)
    assert "test/weight_norm_ratio" in found and splits[0] == "test" and splits[-1] == "valid"


def test_rows_with_other_cues_share_the_images_that_they_have_in_common():
    dominoes = {"data.shortcut.kind": "dominoes", "data.shortcut.images": "digits"}
    knobs = {"steps": 1, "data.classes": (0, 1)}
    rows = {
        "tag": {"data.shortcut.kind": "tag"},
        "patch": {"data.shortcut.kind": "patch"},
        "dominoes": dominoes,
        "other": dominoes | {"data.shortcut.images_classes": (7, 3)},
        "again": dominoes | {"data.shortcut.strength": 1.0},
    }
    config = configs.defaults()
    config.rows = rows
    session = Session(expand(config, knobs), jax.devices()[:1])
    found = {row.name: session.examples_for(row.config) for row in expand(config, knobs)}
    assert found["tag"] is found["patch"] and found["tag"].partners == ()
    assert found["dominoes"] is found["again"] and found["other"] is not found["dominoes"]
    assert found["dominoes"].partners.shape[1:] == (8, 8, 1)
    assert not np.array_equal(found["other"].partners[:100], found["dominoes"].partners[:100])
