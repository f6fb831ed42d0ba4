"""A small regression data set that scikit-learn carries: progression of diabetes from ten measurements.

442 patients; age, sex, body mass index, blood pressure and six blood serum measurements, each standardised by
scikit-learn; the target is a measure of progression one year later (Efron et al., "Least angle regression", Annals of
Statistics 2004). It has no official train and test parts, so the seed cuts it.
"""

import hashlib

import numpy as np

from lamv.data.integrity import identify
from lamv.data.splits import Normalisation, Split, Splits
from lamv.errors import DataError


def read() -> Splits:
    """parts={"all"}: inputs (442, 10) float32 of mean 0 and deviation 1, labels (442,) float32, standardised as well.

    An error of 1 in the labels is thus one standard deviation of the target. Raises DataError where scikit-learn is not
    installed.
    """
    try:
        from sklearn.datasets import load_diabetes
    except ImportError as error:
        raise DataError("diabetes: comes with scikit-learn, which is missing; pip install scikit-learn") from error
    file = "sklearn.datasets.load_diabetes"
    inputs, target = load_diabetes(return_X_y=True)
    digest = hashlib.sha256(inputs.astype(np.float32).tobytes() + target.astype(np.float32).tobytes()).hexdigest()
    inputs = (inputs / inputs.std(axis=0)).astype(np.float32)
    labels = ((target - target.mean()) / target.std()).astype(np.float32)
    return Splits(
        name="diabetes",
        parts={"all": Split(inputs, labels, np.arange(len(labels)))},
        class_names=("progression",),
        normalisation=Normalisation(),
        sources=(identify("diabetes", file, digest),),
    )
