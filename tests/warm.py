"""A command in a process that is kept: packages are imported once for many calls, each with flags as of a new process.

python -m tests.warm MODULE reads the arguments of a call from a line of JSON, and answers with its exit code, stdout and
stderr.
"""

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Result(NamedTuple):
    """What a call came to; named as in subprocess.CompletedProcess."""

    returncode: int
    stdout: str
    stderr: str


class Warm:
    """python -m MODULE; its process begins at the first call."""

    def __init__(self, module: str):
        self.module = module
        self.process: subprocess.Popen | None = None

    def __call__(self, *arguments) -> Result:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", self.module], cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            atexit.register(self.close)
        print(json.dumps([str(argument) for argument in arguments]), file=self.process.stdin, flush=True)
        return Result(*json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        with self.process:  # closes the pipes, and waits
            self.process.kill()


def serve(module: str) -> None:
    """Answer calls until stdin is closed."""
    from absl import flags

    from experiments import launch

    launch.leave = sys.exit  # which lets the process go on
    answers = os.fdopen(os.dup(1), "w")
    known = set(flags.FLAGS)
    for line in sys.stdin:
        sys.argv = [module, *json.loads(line)]
        print(json.dumps(_called(module)), file=answers, flush=True)
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
        flags.FLAGS["debug"].unparse()


def _called(module: str) -> Result:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        os.dup2(out.fileno(), 1)
        os.dup2(error.fileno(), 2)
        code = 0
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as left:
            code = left.code or 0
        except Exception:
            traceback.print_exc()
            code = 1
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for file in (out, error):
            file.seek(0)
        return Result(code, out.read(), error.read())


if __name__ == "__main__":
    serve(sys.argv[1])
