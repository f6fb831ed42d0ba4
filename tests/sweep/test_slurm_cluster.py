"""A sweep on a real SLURM cluster: submitted, preempted, killed, requeued, collected. Run by make test-slurm alone.

It submits jobs to the cluster that sbatch speaks to; without one, root starts a throwaway (tests/sweep/cluster.py).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.sweep.cluster import NoCluster, cluster

ROOT = Path(__file__).parents[2]
SWEEP = [
    "--config=tests/recipes/tiny.py", "--config.data.valid_size=100", "--config.optim.weight_decay=0",
    "--config.steps=20000", "--config.checkpoint_every=500", "--config.eval_every=20000", "--config.log_every=500",
    "--config.batch_size=16", "--grid=method.name=erm,mixup,midpoint", "--launcher=slurm", "--slurm=time=15,cpus_per_task=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def slurm():
    if os.environ.get("LAMV_TEST_SLURM") != "1":
        pytest.skip("submits jobs to SLURM: make test-slurm")
    pytest.importorskip("submitit", reason="submitit is missing; install it: pip install submitit")
    (ROOT / ".cache").mkdir(exist_ok=True)
    # Seen by all nodes, where the folder of the project is.
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache", ignore_cleanup_errors=True) as folder:
        try:
            with cluster(Path(folder) / "cluster") as environment:
                yield environment, Path(folder) / "sweep"
        except NoCluster as why:
            pytest.skip(str(why))


def test_a_sweep_is_submitted_preempted_killed_requeued_and_collected(slurm):
    environment, workdir = slurm
    sweep = subprocess.Popen(
        [sys.executable, "-m", "experiments.sweep", *SWEEP, f"--workdir={workdir}"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    preempted, job = wait_for_a_running_program(sweep, workdir, ())
    subprocess.run(["scancel", "--signal=TERM", job], env=environment, check=True)
    subprocess.run(["scancel", "--signal=USR2", job], env=environment, check=True)
    killed, job = wait_for_a_running_program(sweep, workdir, (preempted,))
    subprocess.run(["scancel", job], env=environment, check=True)
    out, error = sweep.communicate(timeout=1800)
    assert sweep.returncode == 0, error
    assert {cell["status"] for cell in read(workdir / "sweep.json")["cells"]} == {"done"}, error
    jobs = read(workdir / "slurm" / "jobs.json")
    assert jobs[killed] != job, "what was killed is submitted again"
    assert len({jobs[preempted].partition("_")[0], jobs[killed].partition("_")[0]}) == 2, (
        "what was preempted is requeued"
    )
    for program in (preempted, killed):
        log = (workdir / "programs" / program / "log.txt").read_text()
        assert "resuming at step" in log, f"it began anew: {log}"
        assert f'href="programs/{program}/log.txt"' in (workdir / "sweep.html").read_text()
    assert "3 cells were tried" in out


def read(path):
    return json.loads(path.read_text())


def wait_for_a_running_program(sweep, workdir, besides):
    """A program that has saved a checkpoint and is not done, and its job."""
    while sweep.poll() is None:
        jobs = read(workdir / "slurm" / "jobs.json") if (workdir / "slurm" / "jobs.json").exists() else {}
        for program, job in jobs.items():
            folder = workdir / "programs" / program
            saved = any(path.name.isdecimal() for path in folder.glob("checkpoints/*"))
            if program not in besides and saved and not (folder / "DONE").exists():
                return program, job
        time.sleep(0.2)
    raise AssertionError(f"the sweep ended with exit code {sweep.returncode}: {sweep.stderr.read()}")
