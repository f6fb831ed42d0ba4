"""Write the report of a run, or one page on several.

    python -m experiments.report --runs=DIR [--out=FILE.html]

DIR is a workdir: its report goes to DIR/report.html; the run may still be going. Or DIR is a folder of workdirs, up to
three levels down: then one page, DIR/report.html too, shows them all and lists those that cannot be read. Both include
the evaluation by experiments.evaluate. Beside the page lie its tables of methods, report.md, report.tex and report.csv, or
named as --out. Training writes the report of its run by itself. Needs no accelerator and no jax.
"""

from pathlib import Path

from absl import flags

from experiments import launch

RUNS = flags.DEFINE_string("runs", None, "A workdir, or a folder of workdirs.")
OUT = flags.DEFINE_string(
    "out", None, "The HTML file to write, .md and .tex beside it; by default report.html in --runs."
)


def main() -> None:
    from lamv import report
    from lamv.results import runs

    folder = Path(RUNS.value)
    workdirs = runs.find(folder)
    alone = workdirs == [folder]
    path = report.write(folder, OUT.value) if alone else report.write_overview(folder, workdirs, OUT.value)
    print(f"report: {path}")


if __name__ == "__main__":
    launch.leave(launch.run(main, needs=("runs",)))
