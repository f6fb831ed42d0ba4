"""In high dimension, Mixup and ERM learn the same linear classifier; in low dimension they do not.

    python -m experiments.theory --config=configs/theory/linear_equivalence.py --workdir=runs/linear_equivalence

24 examples in 2 to 1024 dimensions, 5 data sets each: exact Mixup minimiser and maximum margin, and gradient descent. About
25 s on two CPU cores, a minute on busy ones. Measured (n = 5): cosine between the two .69 ± .04 in 2 dimensions, 1 from 256
dimensions on (exact), .998 ± .001 in 1024 (trained). At d = n the trained models have not arrived, and a check says so.
"""

from lamv.theory import recipe


def get_config():
    return recipe(
        "linear_equivalence",
        title="Where Mixup and ERM are one linear classifier",
        about="With dimensions to spare Mixup interpolates its labels, and equals the maximum margin once all examples are"
        " support vectors; with few dimensions it learns another classifier.",
    )
