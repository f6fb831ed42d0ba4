"""Just Train Twice (Liu et al. 2021): who is misclassified after a first stage counts more from then on."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import mitigation
from lamv.data.resident import Table
from lamv.train import parallel
from lamv.train.mitigations.balanced import Resample


class JTT(Resample):
    """`sampling` is set between the stages; the first goes through the examples in the order of epochs."""

    def second_stage(self, row, replicas):
        """A new network, for which the examples that the first one gets wrong count `mitigation.upweight` times."""
        program, axis = row.program, self.axis

        def body(sampling, state, knobs, table: Table, examples, count, b):
            indices, _ = row.functions.tally.share(table, count, b)
            seen = program.batches.at(examples, table, indices, knobs)
            right = jnp.argmax(program.forward(state, seen.inputs)[0], axis=-1) == jnp.argmax(seen.targets, axis=-1)
            weights = mitigation.jtt_weights(right, knobs.mitigation["upweight"])
            indices, weights = lax.all_gather((indices, weights), axis, tiled=True)
            return sampling.at[indices].set(weights)

        run = row.functions.get("misclassified", lambda: row.functions.repeated(body, shared=2))
        batches = -(-row.train_size // row.config.eval_batch_size)
        sampling = run(
            replicas.state.mitigation["sampling"], replicas.network, replicas.knobs, replicas.train, row.examples,
            np.int32(row.train_size), 0, batches,
        )  # fmt: skip
        fresh = row.initial(replicas)
        return fresh._replace(
            loss_sum=replicas.state.loss_sum, loss_steps=replicas.state.loss_steps, mitigation={"sampling": sampling}
        )

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
