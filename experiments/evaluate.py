"""Recompute every metric of a run from its checkpoints, into evaluation.jsonl.

python -m experiments.evaluate --workdir=DIR [--checkpoints=all|last|STEP,...] [--config.data.path=...]
"""

import sys

from absl import flags

from experiments import launch

launch.use_fast_convolutions()

WORKDIR = flags.DEFINE_string("workdir", None, "Directory of a run.")
CHECKPOINTS = flags.DEFINE_string("checkpoints", "last", "Which ones: last, all, or steps with commas between.")
DATA_PATH = flags.DEFINE_string("config.data.path", None, "Where the data lies, if not where it lay in training.")


def main() -> None:
    from lamv.study import evaluate, table
    from lamv.train.tracking import summary_row

    lines = evaluate.evaluate(WORKDIR.value, CHECKPOINTS.value, DATA_PATH.value)
    for step in dict.fromkeys(line["step"] for line in lines):
        rows: dict[str, list] = {}
        for line in lines:
            if line["step"] == step:
                rows.setdefault(line["row"], []).append(line)
        summaries = [
            summary_row(name, {}, {key: [line[key] for line in own] for key in own[0] if "/" in key})
            for name, own in rows.items()
        ]
        print(table.as_text({"title": f"step {step}", "rows": summaries, "claims": []}))


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=("workdir",)))
