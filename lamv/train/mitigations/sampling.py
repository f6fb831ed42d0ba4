"""Mitigations that choose which examples are drawn, and which are mixed with which.

A method that does not mix by itself gets a Mixup under a rule for pairs or, where `mitigation.mixes` is False, both examples
of each pair as they are (lamv.train.step). `subsample`, which leaves examples out of the training set, needs no hook: see
lamv.data.resident.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import mitigation
from lamv.data.resident import SplitIndex
from lamv.train import parallel
from lamv.train.mitigations.base import Mitigation


class Resample(Mitigation):
    """Examples are drawn so that all groups come up equally often."""

    @property
    def shapes(self):
        return {"sampling": self.view.train.rows.shape[1:]}

    def of_examples(self, row, replicas, name: str, measure: Callable):
        """(R, M) on the devices: a number for every training example as it is, from the network in evaluation.

        measure: (logits (B, K), targets (B, K), knobs) -> (B,). name: of the compiled program.
        """
        program, axis = row.program, self.axis

        def body(numbers, state, knobs, table: SplitIndex, examples, count, b):
            seen, _ = row.functions.tally.read(table, examples, knobs, count, b)
            own = measure(program.forward(state, seen.inputs)[0], seen.targets, knobs)
            indices, own = lax.all_gather((seen.indices, own), axis, tiled=True)
            return numbers.at[indices].set(own)

        run = row.functions.get(name, lambda: row.functions.repeated(body, shared=2))
        batches = -(-row.train_size // row.config.eval_batch_size)
        return run(
            replicas.state.mitigation["sampling"], replicas.network, replicas.knobs, replicas.train, row.examples,
            np.int32(row.train_size), 0, batches,
        )  # fmt: skip


class JTT(Resample):
    """Just Train Twice (Liu et al. 2021): examples that a first stage misclassifies are drawn more often afterwards.

    `sampling` is set between the stages; the first goes through the examples in the order of epochs.
    """

    def second_stage(self, row, replicas):
        """A new network, for which the examples that the first one gets wrong count `mitigation.upweight` times."""

        def weights(logits, targets, knobs):
            right = jnp.argmax(logits, axis=-1) == jnp.argmax(targets, axis=-1)
            return mitigation.jtt_weights(right, knobs.mitigation["upweight"])

        state, sampling = replicas.state, self.of_examples(row, replicas, "misclassified", weights)
        fresh = row.functions.init(replicas.knobs)
        return fresh._replace(loss_sum=state.loss_sum, loss_steps=state.loss_steps, mitigation={"sampling": sampling})

    def notes(self, row) -> list[str]:
        """A first stage that errs nowhere leaves ERM."""
        weights = np.concatenate([parallel.fetch(each.state.mitigation["sampling"]) for each in row.replicas])
        seeds = [str(row.config.seed + r) for r, own in enumerate(weights) if np.all(own == own[0])]
        if not seeds:
            return []
        return [
            f"{row.name}: the first stage of jtt erred on no training example, or on all, of seed {', '.join(seeds)}:"
            " none counts more than another, and the row is ERM; give it other mitigation.first_steps"
        ]


class EasyToHard(Resample):
    """Easy examples first, then hard ones, as a first stage ranks them: the stages of self-evolution learning (2023).

    `sampling` is 1 for the half of the training set with the smaller loss after the first stage. The network learns on.
    """

    def indices(self, kept, key, rows, done):
        easy = kept["sampling"]
        return mitigation.draw_indices(key, rows, jnp.where(done < 0.5, easy, 1 - easy))

    def second_stage(self, row, replicas):
        """The same network, with the halves."""
        loss = row.program.loss.function
        losses = self.of_examples(row, replicas, "training losses", lambda logits, targets, _: loss(logits, targets))
        easy = mitigation.easier_half(parallel.fetch(losses))
        return replicas.state._replace(mitigation=row.layout.place({"sampling": easy}, replicas=True))


class _Pairing(Mitigation):
    """A rule for who may be mixed with whom."""

    @property
    def weighs(self) -> bool:
        """Examples of a pair that is not mixed have half the weight."""
        return not self.config.mixes


class LISA(_Pairing, Resample):
    """Pairs of one label and different attributes, or the reverse, from balanced batches (Yao et al. 2022)."""

    @property
    def balances(self) -> str:
        return "group"

    def pairs(self, key, drawn, knobs):
        rows = drawn.draw.rows
        return rows._replace(allowed=mitigation.lisa(key, rows, drawn.labels, drawn.attributes, knobs["mix_ratio"]))


class WithinGroups(_Pairing):
    """Partners have the same label and the same attribute."""

    def pairs(self, key, drawn, knobs):
        rows = drawn.draw.rows
        return rows._replace(allowed=mitigation.within_groups(rows, drawn.groups))


class AcrossAttributes(_Pairing):
    """Partners have another attribute."""

    def pairs(self, key, drawn, knobs):
        rows = drawn.draw.rows
        return rows._replace(allowed=mitigation.across_attributes(rows, drawn.attributes))
