"""The 8x8 handwritten digits that scikit-learn carries: small enough for a laptop, real enough to learn from.

1,797 images of ten digits in 17 grey levels: the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and
Kaynak, UCI, 1998). It has no official train and test parts here, so the seed cuts it.
"""

import hashlib

import numpy as np

from lamv.data.integrity import identify, make_split
from lamv.data.splits import Normalisation, Splits
from lamv.errors import DataError


def read() -> Splits:
    """parts={"all"}: inputs (1797, 8, 8, 1) uint8 in [0, 16], labels in [0, 10).

    Raises DataError where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("digits: comes with scikit-learn, which is missing; pip install scikit-learn") from error
    file = "sklearn.datasets.load_digits"
    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.uint8)
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    return Splits(
        name="digits",
        parts={"all": make_split(file, images, labels, num_classes=10)},
        class_names=tuple("0123456789"),
        normalisation=Normalisation(scale=16.0),
        sources=(identify("digits", file, digest),),
    )
