"""How near Mixup's points come to examples of other classes: why the alternating line does not happen in real data.

    python -m experiments.theory --config=configs/theory/collisions.py --workdir=runs/collisions

For digits, 3 CPU seconds. 5 draws, mean ± sd of the distance to the nearest mixed point of other classes, alpha = 1024:
average 1.767 ± .007 from training and 1.762 ± .009 from test examples, smallest 1.17 ± .06 and 1.19 ± .07; to the nearest
training example of another class: average 1.883 ± .004, smallest 1.20 ± .02.

As published, with --config.data_name=mnist, cifar10 or cifar100, --config.data_path=PATH and --config.share=0.2. For
CIFAR-10, 3 draws, 60 CPU seconds (published, one draw), from a copy of the images that had been compressed once more:

                  average                   smallest
    train     48.63 ± .03 (49.03)      19.3 ± 1.8 (17.7)
    test      48.56 ± .26 (49.04)      21.2 ± 1.2 (22.1)

All 60,000 training and 10,000 test images of Fashion-MNIST, --config.unmixed=False --config.seeds=1: 46 CPU seconds;
average 14.15 and 14.11, smallest 5.16 and 5.56. The 50,000 training images of CIFAR-10 likewise: 115 CPU seconds (172 s
on two busy cores), 0.9 GB; average 46.73, smallest 16.06.
"""

from lamv.theory import recipe


def get_config():
    return recipe(
        "collisions",
        title="Collisions of Mixup's points with other classes",
        about="Distances from examples to the nearest mixed point of two other classes: where they are far from 0, Mixup"
        " asks for nothing that contradicts the data.",
    )
