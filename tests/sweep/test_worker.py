"""A program is trained from the plan alone; what it fails of is kept beside it."""

import pytest

from lamv.errors import ConfigError, NotFiniteError
from lamv.sweep import collect, plan, worker
from tests.sweep.made_up import planned, recipe

SHORT = {
    "steps": 12, "checkpoint_every": 6, "log_every": 12, "eval_every": 12, "seeds": 1, "batch_size": 16, "eval_batch_size": 400,
    "data.train_size": 64, "model.name": "linear", "model.widths": (), "parallel.devices": 1, "optim.name": "sgd",
}  # fmt: skip


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A sweep of two weight decays, of which one is absurd."""
    workdir = tmp_path_factory.mktemp("sweep")
    made = planned("optim.weight_decay=0,1e9", config=recipe(**SHORT))
    plan.write(workdir, made)
    return workdir, made


def test_a_cell_that_diverges_is_named(sweep):
    workdir, made = sweep
    [program] = made.programs.values()
    _, bad = program.cells
    with pytest.raises(NotFiniteError):
        worker.train(workdir, program.id)
    failure = collect.state_of(plan.folder_of(workdir, program.id)).failure
    assert failure["exit"] == 70 and failure["row"] == bad and made.cells[bad].name in failure["error"]


def test_a_program_that_the_plan_does_not_have_is_refused(sweep, tmp_path):
    workdir, made = sweep
    for folder in (workdir, tmp_path):
        with pytest.raises(ConfigError, match="--program is 'nothing', must be one in .*plan.json"):
            worker.train(folder, "nothing")
