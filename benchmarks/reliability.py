"""What it costs that nothing is lost: the share of a run's time that digests, fsync and checks take.

    python -m benchmarks.reliability [--steps=100]

Two whole runs, each into a folder of its own: the demo (configs/digits_tag.py), and ResNet-20 on random 32 x 32 images with
a checkpoint and an evaluation every half of its steps. Every function that is there for reliability alone is timed while
they go on; what Orbax takes to write the arrays is not counted, as any checkpoint takes that. docs/performance.md says what
has been measured.
"""

import sys

from absl import flags

from experiments import launch
from lamv import xla

xla.prepare()

STEPS = flags.DEFINE_integer("steps", 100, "Steps of ResNet-20.")


def main() -> None:
    import tempfile
    import time

    import jax

    from benchmarks.timing import recipe
    from configs import digits_tag
    from lamv import files
    from lamv.data import integrity
    from lamv.train import checkpoint, loop, provenance, tracking

    parts = {
        "digests of arrays": [(checkpoint, "_leaves"), (checkpoint, "check_finite"), (tracking, "digest")],
        "lines of metrics: seals": [(tracking.Lines, "seal"), (tracking.Lines, "_add"), (tracking.Lines, "matches")],
        "files: fsync and rename": [(files, "append"), (files, "write_whole")],
        "digests of data": [(integrity, "sha256_of")],
        "code, commit, versions": [(provenance, "provenance")],
        "room on the disk, links, lock": [(checkpoint.Checkpoints, "check_space"), (tracking.Workdir, "__init__")],
    }
    spent = dict.fromkeys(parts, 0.0)
    for part, functions in parts.items():
        for owner, name in functions:
            setattr(owner, name, _timed(getattr(owner, name), part, spent))

    def resnet20(folder):
        config = recipe(folder, "resnet20", "float32")
        config.steps, config.eval_every, config.checkpoint_every = STEPS.value, STEPS.value // 2, STEPS.value // 2
        return config

    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
    for name, made in {"demo": lambda _: digits_tag.get_config(), "resnet20": resnet20}.items():
        spent.update(dict.fromkeys(spent, 0.0))
        with tempfile.TemporaryDirectory() as folder:
            before = time.perf_counter()
            loop.train(made(folder), f"{folder}/run")
            whole = time.perf_counter() - before
        print(f"{name}: {sum(spent.values()):.2f} of {whole:.1f} s, {100 * sum(spent.values()) / whole:.2f} %")
        for part, seconds in spent.items():
            print(f"  {part:32} {seconds:7.3f} s {100 * seconds / whole:6.2f} %")


def _timed(function, part: str, spent: dict[str, float]):
    import functools
    import time

    @functools.wraps(function)
    def timed(*arguments, **more):
        before = time.perf_counter()
        try:
            return function(*arguments, **more)
        finally:
            spent[part] += time.perf_counter() - before

    return timed


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))
