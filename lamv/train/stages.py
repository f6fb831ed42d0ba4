"""What happens to a row before its first step, between two stages, and after its last: the mitigations that have such.

    begun          before step 0: what a mitigation counts of the training set goes into the state
    second_stage   JTT: who is misclassified counts more from now on; network and optimiser start anew
    ended          DFR: the last layer is fitted anew, on features of a balanced set

All of it is in the state, hence in every checkpoint: a run that is stopped in either stage goes on in it.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import mitigation
from lamv.data.tables import Table, counts
from lamv.train import parallel
from lamv.train.step import DATA_AXIS, State

if TYPE_CHECKING:
    from lamv.train.rows import Lane, RowRun


def begun(row: "RowRun", lane: "Lane") -> State:
    """The state of a lane before its first step."""
    state = row.initial(lane)
    asked = row.program.mitigation.shapes
    if not asked:
        return state
    sizes, members = _sizes(row, lane)
    held = parallel.fetch(state.mitigation)
    if "counts" in asked:
        held["counts"] = sizes
    if "sampling" in asked and row.first_step == 0:
        held["sampling"] = np.stack(
            [mitigation.sampling(own, of) for own, of in zip(sizes, members, strict=True)]
        ).astype(np.float32)
    return state._replace(mitigation=row.layout.place(held, replicas=True))


def second_stage(row: "RowRun", lane: "Lane") -> State:
    """A new network, for which the examples that the first one gets wrong count `mitigation.upweight` times."""
    program = row.program

    def body(sampling, state, knobs, table: Table, examples, count, b):
        places, _ = program.evaluated(table, count, b)
        inputs, labels = program.examples_at(examples, table, places, knobs)
        targets = program.targets_of(labels, table, places, examples, knobs)
        right = jnp.argmax(program.forward(state, inputs)[0], axis=-1) == jnp.argmax(targets, axis=-1)
        weights = mitigation.jtt_weights(right, knobs.mitigation["upweight"])
        places, weights = lax.all_gather((places, weights), DATA_AXIS, tiled=True)
        return sampling.at[places].set(weights)

    run = row.function("misclassified", lambda _: row.repeated(body, shared=2))
    batches = -(-row.train_size // row.config.eval_batch_size)
    sampling = run(
        lane.state.mitigation["sampling"], lane.network, lane.knobs, lane.train, row.examples,
        np.int32(row.train_size), 0, batches,
    )  # fmt: skip
    fresh = row.initial(lane)
    return fresh._replace(
        loss_sum=lane.state.loss_sum, loss_steps=lane.state.loss_steps, mitigation={"sampling": sampling}
    )


def notes(row: "RowRun") -> list[str]:
    """What a mitigation came to that its name does not say: a jtt whose first stage errs nowhere is ERM."""
    if row.config.mitigation.name != "jtt":
        return []
    weights = np.concatenate([parallel.fetch(lane.state.mitigation["sampling"]) for lane in row.lanes])
    seeds = [str(row.config.seed + r) for r, own in enumerate(weights) if np.all(own == own[0])]
    if not seeds:
        return []
    return [
        f"{row.name}: the first stage of jtt erred on no training example, or on all, of seed {', '.join(seeds)}: none"
        " counts more than another, and the row is ERM; give it other mitigation.first_steps"
    ]


def ended(row: "RowRun", lane: "Lane") -> State:
    """The state with its last layer fitted anew, where the mitigation is dfr; else as it is."""
    config = row.config
    if config.mitigation.name != "dfr":
        return lane.state
    from lamv.train.refit import refit  # imported late: only this needs scikit-learn's linear models

    split = config.mitigation.refit_on
    whole = row.plan.train if split == "train" else row.plan.tests[split]
    table = jax.tree.map(lambda values: values[row.lane_of(lane)], whole)
    features = _features(row, lane, table)
    layers = []
    for r, seed in enumerate(lane.seeds):
        kernel, bias, _ = refit(
            features[r], row.labels_of(table, r), table.groups[r], classes=row.plan.num_classes,
            subsets=config.mitigation.subsets, seed=seed,
        )  # fmt: skip
        layers.append({"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)})
    fitted = row.layout.place(jax.tree.map(lambda *leaves: np.stack(leaves), *layers), replicas=True)
    return lane.state._replace(params={**lane.state.params, row.program.model.last: fitted})


def _features(row: "RowRun", lane: "Lane", table: Table) -> np.ndarray:
    """(R, M, D) features of the examples of a table, as the network is tested."""
    program, count = row.program, table.rows.shape[1]
    devices = row.layout.mesh.shape[DATA_AXIS]
    size = -(-row.config.eval_batch_size // devices) * devices
    batches = -(-count // size)

    def body(kept, state, knobs, table: Table, examples, count, b):
        places, _ = program.evaluated(table, count, b)
        inputs, _ = program.examples_at(examples, table, places, knobs)
        features = lax.all_gather(program.forward(state, inputs)[1].astype(jnp.float32), DATA_AXIS, tiled=True)
        return lax.dynamic_update_slice(kept, features, (b * size, 0))

    run = row.function("features", lambda _: row.repeated(body, shared=2))
    start, placed = row.layout.place(
        (np.zeros((len(lane.seeds), batches * size, program.feature_size), np.float32), table), replicas=True
    )
    kept = run(start, lane.network, lane.knobs, placed, row.examples, np.int32(count), 0, batches)
    return parallel.fetch(kept)[:, :count]


def _sizes(row: "RowRun", lane: "Lane") -> tuple[np.ndarray, np.ndarray]:
    """(R, ...) numbers of training examples by what the mitigation balances, and (R, M) which of these each one is in."""
    table = jax.tree.map(lambda values: values[row.lane_of(lane)], row.plan.train)
    classes, attributes = row.plan.num_classes, row.plan.num_attributes
    labels = np.stack([row.labels_of(table, r) for r in range(len(lane.seeds))])
    if row.program.mitigation.balances == "class":
        number, members = classes, labels
    else:
        number, members = row.plan.num_groups, table.groups
    sizes = counts(members, number).astype(np.float32)
    if row.config.mitigation.name == "logit_adjustment" and row.program.mitigation.balances == "group":
        sizes = sizes.reshape(-1, classes, attributes).swapaxes(1, 2)  # (R, A, K)
    return sizes, members
