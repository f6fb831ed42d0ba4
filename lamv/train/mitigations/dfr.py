"""Deep feature reweighting (Kirichenko et al. 2023): after training, the last layer is fitted anew on balanced features."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.data.resident import Table
from lamv.train import parallel
from lamv.train.mitigations.base import Mitigation


class DFR(Mitigation):
    """The network is trained as without it."""

    def ended(self, row, replicas):
        from lamv.train.refit import refit  # imported late: only this needs scikit-learn's linear models

        split = self.config.refit_on
        whole = row.plan.train if split == "train" else row.plan.tests[split]
        table = replicas.of(whole)
        features = self.features(row, replicas, table)
        layers = []
        for r, seed in enumerate(replicas.seeds):
            kernel, bias, _ = refit(
                features[r], row.labels_of(table, r), table.groups[r], classes=row.plan.num_classes,
                subsets=self.config.subsets, seed=seed,
            )  # fmt: skip
            layers.append({"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)})
        fitted = row.layout.place(jax.tree.map(lambda *leaves: np.stack(leaves), *layers), replicas=True)
        return replicas.state._replace(params={**replicas.state.params, row.program.model.last: fitted})

    def features(self, row, replicas, table: Table) -> np.ndarray:
        """(R, M, D) features of the examples of a table, as the network is tested."""
        program, count, axis = row.program, table.rows.shape[1], self.axis
        devices = row.layout.mesh.shape[axis]
        size = -(-row.config.eval_batch_size // devices) * devices
        batches = -(-count // size)

        def body(kept, state, knobs, table: Table, examples, count, b):
            indices, _ = row.functions.tally.share(table, count, b)
            seen = program.batches.at(examples, table, indices, knobs)
            features = lax.all_gather(program.forward(state, seen.inputs)[1].astype(jnp.float32), axis, tiled=True)
            return lax.dynamic_update_slice(kept, features, (b * size, 0))

        run = row.functions.get("features", lambda: row.functions.repeated(body, shared=2))
        start, placed = row.layout.place(
            (np.zeros((len(replicas.seeds), batches * size, program.feature_size), np.float32), table), replicas=True
        )
        kept = run(start, replicas.network, replicas.knobs, placed, row.examples, np.int32(count), 0, batches)
        return parallel.fetch(kept)[:, :count]
