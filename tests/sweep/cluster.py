"""A SLURM cluster for a test: the one that is there, or a throwaway of one node, started from Debian's slurm-wlm and munge."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
#: Where Debian has them, though not on everybody's PATH.
SYSTEM = "/usr/sbin:/sbin"
#: cred_expire is also how long a requeued job waits.
CONFIG = """
ClusterName=lamv
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 ProgramState=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE ProgramState=UP
"""


class NoCluster(Exception):
    """Why there is none."""


@contextlib.contextmanager
def cluster(folder: Path) -> Generator[dict[str, str]]:
    """The environment in which sbatch reaches a cluster. Raises NoCluster."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{SYSTEM}"}
    if answers(environment):
        yield environment
        return
    path = environment["PATH"]
    missing = [name for name in ("sbatch", *DAEMONS) if shutil.which(name, path=path) is None]
    if missing:
        raise NoCluster(
            f"no SLURM: no cluster answers, and none can be started without {', '.join(missing)} (Debian: slurm-wlm, munge)"
        )
    if os.geteuid():
        raise NoCluster("no SLURM: no cluster answers, and only root can start one for the test")
    environment["SLURM_CONF"] = str(_configured(folder))
    with contextlib.ExitStack() as running:
        for command in _commands(folder):
            running.enter_context(_daemon(command, folder, environment))
            time.sleep(1.0)
        for _ in range(60):
            if answers(environment):
                break
            time.sleep(0.5)
        else:
            logs = "; ".join((folder / f"{name}.log").read_text()[-200:] for name in DAEMONS)
            raise NoCluster(f"no SLURM: the cluster that was started does not answer: {' '.join(logs.split())}")
        try:
            yield environment
        finally:
            subprocess.run(["scancel", "--user=root"], env=environment, check=False)
            time.sleep(2.0)


def answers(environment: dict[str, str]) -> bool:
    """Whether a node of a cluster is up."""
    try:
        asked = ["sinfo", "--noheader", "--format=%T"]
        done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool({"idle", "mixed", "allocated"} & set(done.stdout.split()))


def _configured(folder: Path) -> Path:
    (folder / "spool").mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    version = 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1
    (folder / "cgroup.conf").write_text(f"CgroupPlugin=cgroup/v{version}\n")
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (one, other)]
    path = folder / "slurm.conf"
    path.write_text(CONFIG.format(host=_host(), folder=folder, ports=ports))
    return path


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _commands(folder: Path) -> list[list[str]]:
    files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munge = [f"--{flag}={folder}/munge.{name}" for flag, name in files.items()]
    return [["munged", "--foreground", "--force", *munge], ["slurmctld", "-D"], ["slurmd", "-D", "-N", _host()]]


@contextlib.contextmanager
def _daemon(command: list[str], folder: Path, environment: dict[str, str]) -> Generator[None]:
    with open(folder / f"{command[0]}.log", "w") as log:
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        process = subprocess.Popen([program, *command[1:]], env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
