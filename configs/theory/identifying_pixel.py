"""An identifying pixel in logistic regression: what relies on it, and where that shows.

    python -m experiments.theory --config=configs/theory/identifying_pixel.py --workdir=runs/identifying_pixel

On other files: --config.data_name=fashion_mnist --config.classes="(2, 4)" --config.data_path=DIR.
"""

from lamv.theorems import recipe


def get_config():
    return recipe(
        "identifying_pixel",
        title="An identifying pixel in logistic regression",
        about="In training, one further input gives the class away. Does a linear model rely on it, and how can one tell?",
    )
