"""Digits with a long tail, 119 zeros and 5 nines: ERM, smoothing and Mixup, by what is done about the tail.

    python -m experiments.train --config=configs/long_tails/digits.py --workdir=runs/digits_tail

Imbalance ratio 20, 401 training images, balanced test set. A minute on two cores. Expected test accuracy, and that of the
three rarest classes, %, mean ± sd over 5 seeds:

                   none         LA           cRT          LORT
    all   ERM      87.1 ± 1.1   92.7 ± 1.3   91.5 ± 1.1   91.5 ± 1.0
          LS .1    86.8 ± 1.5   92.5 ± 1.1   92.1 ± 1.3   89.2 ± 1.1
          Mixup    84.9 ± 1.3   92.0 ± 1.1   91.7 ± 1.3   87.9 ± 1.8
    few   ERM      65.3 ± 2.8   86.2 ± 2.9   80.2 ± 2.4   78.5 ± 1.9
          LS .1    63.0 ± 4.3   90.0 ± 2.6   81.1 ± 3.6   70.1 ± 3.2
          Mixup    58.0 ± 4.2   83.9 ± 3.4   80.1 ± 2.8   66.3 ± 5.0

LA is logit adjustment by class. LORT has its published second stage, of 20 epochs at 5e-4. Mixup costs the rare classes
seven points, and every cure gives more than that back; LORT helps, and less after smoothing or Mixup, whose features are
smaller, so that the same steps move the logits less. Settings were chosen on seeds 100 to 102.
"""

from configs.long_tails_common import rows, small


def get_config():
    config = small(
        "Digits with a long tail",
        "Each digit has a factor of 1.4 fewer training images than the one before. What do smoothing and Mixup do to rare"
        " classes, and which cure, in training or of the last layer alone, helps?",
    )
    config.data.name = "digits"
    config.data.train_size = 1200
    config.data.imbalance.ratio = 20.0
    config.steps = 600
    config.rows = rows(lr=0.1)
    few = "test/few_accuracy"
    config.claims = (
        ("Mixup", few, "<=", 0.95, "ERM"),
        *(
            (f"{method} · {cure}", few, ">=", 1.1, method)
            for method in ("ERM", "LS .1", "Mixup")
            for cure in ("LA", "cRT")
        ),
        ("ERM · LORT", few, ">=", 1.1, "ERM"),
        ("ERM · LORT", "test/accuracy", ">=", 1.02, "ERM"),
        ("Mixup · LORT", few, "<=", 0.95, "ERM · LORT"),
    )
    return config
