"""Will label smoothing or Mixup hurt on your data? One page with a verdict on each method.

    python -m experiments.audit --data=FOLDER|FILE.npz|FILE.csv [--label=COLUMN] [--groups=COLUMN] [--minutes=10]
        [--methods=label_smoothing:.1,mixup:1] [--weights=WORKDIR[:ROW]] [--out=audit.html]

--data is a folder of photographs with a folder for each class, a CSV file that lists photographs, a CSV or Parquet table of
numbers and texts, or an .npz file of arrays. ERM and the methods are trained on it with several seeds, as long as --minutes
allow; what their predictions rest on is measured, and set against what ERM's rest on. Beside the page lie audit.json, with
the same content, and audit_runs/, with the trainings. The same command goes on where it was stopped.

docs/audit.md says what the numbers mean, and what an audit cannot see.
"""

from absl import flags

from experiments import launch
from lamv import xla

xla.prepare()

DATA = flags.DEFINE_string("data", None, "Folder of photographs, .npz, .csv or .parquet.")
LABEL = flags.DEFINE_string("label", "", "Column of a table that is to be learned; by default label.")
GROUPS = flags.DEFINE_string("groups", "", "Column of a table that may be a shortcut, such as a hospital; with the label it"
                             " makes groups.")  # fmt: skip
MINUTES = flags.DEFINE_float("minutes", 10.0, "Minutes in which to answer, about.")
METHODS = flags.DEFINE_string("methods", "label_smoothing:.1,mixup:1", "Methods and doses, commas between.")
MODEL = flags.DEFINE_string("model", "auto", "Network; auto: mlp for tables and tiny images, cnn for others.")
WEIGHTS = flags.DEFINE_string("weights", "", "Workdir of experiments.train, and perhaps :ROW, whose network gives features;"
                               " linear heads on these are audited.")  # fmt: skip
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Side, in pixels, to which photographs are scaled.")
SEED = flags.DEFINE_integer("seed", 0, "The first of the seeds.")
launch.define_register()
OUT = flags.DEFINE_string("out", "audit.html", "The page; audit.json and audit_runs/ beside it are called alike.")


def main() -> None:
    launch.register()
    from lamv import audit
    from lamv.report import audit_page

    content = audit.audit(audit.checked(
        DATA.value, OUT.value, METHODS.value, label=LABEL.value, groups=GROUPS.value, minutes=MINUTES.value,
        model=MODEL.value, weights=WEIGHTS.value, image_size=IMAGE_SIZE.value, seed=SEED.value,
    ))  # fmt: skip
    print(audit_page.as_text(content))
    print(f"\naudit: {OUT.value}")


if __name__ == "__main__":
    launch.leave(launch.run(main, needs=("data",)))
