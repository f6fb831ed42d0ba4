"""Models of texts: what is embedded, that padding never counts, and that mixtures have their shares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core import mixing
from lamv.models import build
from lamv.models.text import EmbeddingBag, EncoderBlock, TextTransformer

TEXTS = np.array([[2, 3, 4, 0, 0], [5, 0, 0, 0, 0], [4, 3, 2, 0, 0], [6, 6, 5, 2, 3]])
NAMES = ("embedding_bag", "text_transformer")


@pytest.fixture(scope="module")
def made():
    """{name: (TEXTS embedded, variables, apply)}, E = 8."""
    models = {
        "embedding_bag": EmbeddingBag(num_classes=3, num_words=7, size=8, widths=(6,)),
        "text_transformer": TextTransformer(num_classes=3, num_words=7, size=8, depth=1, heads=2),
    }
    made = {}
    for name, model in models.items():
        variables = jax.jit(lambda key, model=model: model.init(key, TEXTS, train=False))(jax.random.key(1))
        embedded = np.asarray(jax.jit(lambda v, model=model: model.apply(v, TEXTS, method="embed"))(variables))
        made[name] = embedded, variables, jax.jit(lambda v, x, model=model: model.apply(v, x, train=True))
    return made


def test_a_text_is_embedded_as_weighted_words():
    model = EmbeddingBag(num_classes=2, num_words=4, size=2)
    variables = {"params": {"embedding": np.array([[9.0, 9], [8, 8], [1, 2], [3, 4]])}}
    embed = jax.jit(lambda variables, numbers: model.apply(variables, numbers, method="embed"))
    embedded = np.asarray(embed(variables, np.array([[2.0, 3, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]])))
    np.testing.assert_array_equal(embedded[0], [[2, 4, 2], [6, 8, 2], [0, 0, 0], [0, 0, 0]])  # w = 4 / 2
    np.testing.assert_array_equal(embedded[1], [[12, 16, 4], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(embedded[2], np.zeros((4, 3)))
    np.testing.assert_array_equal(embedded.mean(axis=1)[:2], [[2, 3, 1], [3, 4, 1]])


@pytest.mark.parametrize("name", NAMES)
def test_padding_never_counts(made, name):
    _, variables, apply = made[name]
    longer = np.pad(TEXTS, ((0, 0), (0, 4)))
    for one, other in zip(apply(variables, TEXTS), apply(variables, longer), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    embedding = np.array(variables["params"]["embedding"])
    embedding[0] = 1e3
    other = {"params": variables["params"] | {"embedding": embedding}}
    np.testing.assert_array_equal(apply(variables, TEXTS)[0], apply(other, TEXTS)[0])


@pytest.mark.parametrize("name", NAMES)
def test_numbers_and_what_they_are_embedded_as_are_one(made, name):
    embedded, variables, apply = made[name]
    for lam in (1.0, 0.0):
        expected = apply(variables, TEXTS if lam else TEXTS[::-1])
        found = apply(variables, mixing.mix(embedded, embedded[::-1], np.full(4, lam)))
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_a_mixture_has_the_shares_of_its_texts_however_long_they_are(made):
    embedded, variables, _ = made["embedding_bag"]
    embedding = np.asarray(variables["params"]["embedding"])
    mixed = np.asarray(mixing.mix(embedded[:1], embedded[1:2], np.array([0.25])))[0].mean(axis=0)
    expected = 0.25 * embedding[[2, 3, 4]].mean(axis=0) + 0.75 * embedding[5]
    np.testing.assert_allclose(mixed[:-1], expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(mixed[-1], 1.0, rtol=1e-6)


def test_attention_is_in_proportion_to_the_weight():
    """A position of weight 2 is two positions of weight 1, and one of weight 0 is none."""
    block = EncoderBlock(heads=2, dtype=jnp.float32)
    words = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    variables = jax.jit(block.init)(jax.random.key(0), np.ones((1, 4, 5)))
    apply = jax.jit(block.apply)

    def of(order, weights):
        weights = np.float32(weights)[:, None]
        found = np.asarray(apply(variables, np.concatenate([words[order] * weights, weights], axis=1)[None]))[0]
        return found[:, :-1] / np.maximum(weights, 1e-9), found[:, -1]

    content, weight = of([0, 1, 2, 2], [1, 2, 0, 0])
    again, _ = of([0, 1, 1, 2], [1, 1, 1, 0])
    np.testing.assert_allclose(content[:2], again[:2], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(weight, [1, 2, 0, 0])
    assert not content[2:].any()


def test_only_the_transformer_reads_the_order(made):
    """Texts 0 and 2 have the same words."""
    logits = {name: apply(variables, TEXTS)[0] for name, (_, variables, apply) in made.items()}
    np.testing.assert_allclose(*np.asarray(logits["embedding_bag"])[[0, 2]], rtol=1e-5, atol=1e-6)
    assert np.abs(np.subtract(*np.asarray(logits["text_transformer"])[[0, 2]])).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_the_last_layer_is_the_head(made, name):
    _, variables, apply = made[name]
    logits, features = map(np.asarray, apply(variables, TEXTS))
    head = variables["params"]["head"]
    np.testing.assert_allclose(
        features @ np.asarray(head["kernel"]) + np.asarray(head["bias"]), logits, rtol=1e-5, atol=1e-6
    )
    assert logits.dtype == features.dtype == jnp.float32


@pytest.mark.parametrize("name", NAMES)
def test_they_are_built_for_a_vocabulary_and_in_bfloat16(name):
    model = build(name, num_classes=3, dtype="bfloat16", num_words=11)
    (logits, features), variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, 5)), train=True)
    )
    assert variables["params"]["embedding"].shape == (11, 64) and logits.shape == (2, 3) and features.shape == (2, 64)
    assert logits.dtype == features.dtype == jnp.float32
