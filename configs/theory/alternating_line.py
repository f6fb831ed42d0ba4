"""The failure of Mixup on the alternating line: it learns to misclassify its own training points.

    python -m experiments.theory --config=configs/theory/alternating_line.py --workdir=runs/alternating_line

Points 0, 1, 2 with labels 0, 1, 0: Mixup with a large alpha gets point 1 wrong, where ERM gets all right; likewise 10
points of 2 and of 10 classes. Against the published outputs, and the midpoint against exact enumeration.

30 s on 2 CPU cores for 180 trainings of 5,000 steps. Training error in %, 10 runs, mean ± sd (published):

                        3 points, 2 classes   10 points, 2 classes   10 points, 10 classes
    ERM                     0 ± 0    (0)          8 ± 4   (5.7)           0 ± 0   (0)
    Mixup, alpha = 1        0 ± 0    (0)         31 ± 6  (33.1)          21 ± 7  (18)
    Mixup, alpha = 32    33.3 ± 0   (33.3)       47 ± 5  (47)            62 ± 8  (63)
    Mixup, alpha = 128   33.3 ± 0   (33.3)       47 ± 5                  65 ± 10
    midpoint             33.3 ± 0                46 ± 5                  64 ± 8
    midpoint, all pairs  33.3 ± 0                40 ± 0  (40, exact)     64 ± 5

P(class 1) at the point 1 of 3: .814 ± .047 (published .844), .409 ± .066 (.397) and .346 ± .051 (.350) for alpha = 1, 32
and 128; midpoint with all pairs .333 ± .006 (exact 1/3).
"""

from lamv.theory import recipe


def get_config():
    return recipe(
        "alternating_line",
        title="Mixup on the alternating line",
        about="On points of alternating labels, Mixup with a large alpha learns to misclassify its own training points,"
        " as published and as the exact Mixup-optimal classifier says.",
        seeds=10,
    )
