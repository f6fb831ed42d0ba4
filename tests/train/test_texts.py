"""Texts in the engine: mixtures are of embeddings, which learn; padding never counts; what does not fit is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv import config as configs
from lamv.core.batch import whole
from lamv.core.laws import uniform
from lamv.core.mixing import draw_lam, draw_partner
from lamv.data import DATASETS, Reader
from lamv.data.resident import data_view, examples_of
from lamv.data.splits import Split, Splits
from lamv.errors import ConfigError
from lamv.train import parallel
from lamv.train.batches import Draw, batch_indices
from lamv.train.replica import MIX, root_key, step_key, traced_knobs
from lamv.train.session import Session
from lamv.train.step import Program
from lamv.train.variants import VariantRun

WORDS = ("<padding>", "<unknown>", "a", "b", "c")
TEXTS = np.array([[2, 3, 4], [3, 3, 0], [4, 0, 0], [2, 4, 0]], np.int32)
LABELS = np.array([0, 1, 1, 0], np.int32)
PART = Split(TEXTS, LABELS, np.arange(4))
SPLITS = Splits("tiny", {"train": PART, "test": PART}, ("x", "y"), words=WORDS)
SMALL = {
    "steps": 2, "batch_size": 4, "model.name": "embedding_bag", "model.widths": (3,), "optim.lr": 0.5,
    "optim.momentum": 0.0, "optim.schedule": "constant",
}  # fmt: skip


def row_of(**knobs):
    (row,) = configs.rows_of({"rows": [{"name": "row", "config": {}}]}, SMALL | knobs)
    return row


class Run:
    """One seed on one device."""

    def __init__(self, **knobs):
        self.config = row_of(**knobs).config
        view = data_view(SPLITS, [self.config], [0])
        self.program = Program(self.config, view)
        self.knobs = traced_knobs(self.config, 0, 2)
        layout = parallel.Layout(self.config, 1, jax.devices()[:1])
        stacked = jax.tree.map(lambda value: np.stack([value]), self.knobs)
        start = layout.mapped(self.program.init, shared=0)(stacked)
        self.before = self.first(start)
        step = layout.repeated(lambda *given: self.program.step(*given), shared=1, compiled_loop=True)
        self.params = self.first(step(start, stacked, view.train, examples_of(SPLITS), 0, 1))

    @staticmethod
    def first(state):
        return jax.tree.map(lambda leaf: np.asarray(leaf)[0], state.params)


def by_hand(params, inputs, targets):
    """Mean cross-entropy of the bag of inputs (B, E): means of the words of texts."""
    hidden = jnp.maximum(inputs @ params["hidden0"]["kernel"] + params["hidden0"]["bias"][None], 0)
    logits = hidden @ params["head"]["kernel"] + params["head"]["bias"][None]
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=1))


def test_a_step_of_mixup_mixes_embeddings_and_teaches_them():
    run = Run(**{"method.name": "mixup", "method.law": "uniform(0, 1)"})
    before = run.before
    # An epoch is one batch, in an order of its own; the loss is a mean over pairs, drawn by position in it.
    order = np.asarray(batch_indices(root_key(run.knobs), Draw(0, whole(4)), 4))
    partner_key, lam_key = jax.random.split(step_key(run.knobs, MIX, 0))
    partner = np.asarray(draw_partner(partner_key, whole(4)))
    lam = draw_lam(lam_key, whole(4), uniform(), "example")[:, None]
    one_hot = np.eye(2, dtype=np.float32)[LABELS[order]]

    def loss(params):
        words = params["embedding"]
        means = jnp.stack([jnp.mean(words[np.array(text[text > 0])], axis=0) for text in TEXTS[order]])
        return by_hand(params, lam * means + (1 - lam) * means[partner], lam * one_hot + (1 - lam) * one_hot[partner])

    gradient = jax.jit(jax.grad(loss))(before)
    assert not np.asarray(gradient["embedding"][:2]).any() and np.asarray(gradient["embedding"][2:]).all()
    expected = jax.tree.map(lambda value, slope: value - 0.5 * np.asarray(slope), before, gradient)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6), run.params, expected)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(DATASETS, "tiny", Reader(lambda: SPLITS))


@pytest.mark.parametrize(
    "knobs, words",
    [
        ({"model.name": "mlp"}, "model.name is 'mlp', must be one of embedding_bag, text_transformer: .* are texts"),
        ({"data.name": "digits"}, "model.name is 'embedding_bag', must be one of linear, .* are no texts"),
        ({"method.name": "cutmix"}, "method.name is 'cutmix', must be another for tiny"),
        ({"distill.row": "ERM"}, "distill.row is 'ERM', must be empty for tiny"),
        ({"data.shortcut.kind": "tag"}, "shortcut.kind is 'tag', must be 'none' for tiny"),
        ({"method.name": "manifold_mixup", "method.layers": ("embedding",)}, "layers has 'embedding', .* lacks"),
        ({"data.per_class": 3}, "per_class is 3, must be at most 2 for tiny: x has 2 examples"),
    ],
)
def test_what_does_not_fit_texts_is_refused(tiny, knobs, words):
    row = row_of(**{"data.name": "tiny"} | knobs)
    with pytest.raises(ConfigError, match=words):
        VariantRun(row, Session([row], jax.devices()[:1]))
