"""Two small data sets that scikit-learn carries. Neither has official parts, so the seed cuts them.

digits: 1,797 images of handwritten digits in 17 grey levels, the test set of "Optical Recognition of Handwritten Digits"
(Alpaydin and Kaynak, UCI, 1998).

diabetes: progression of diabetes in 442 patients, a year after age, sex, body mass index, blood pressure and six blood
serum measurements were taken (Efron et al., "Least angle regression", Annals of Statistics 2004).
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from lamv.data.integrity import identify
from lamv.data.splits import Normalisation, Source, Split, Splits, make_split
from lamv.errors import DataError


def read_digits() -> Splits:
    """parts={"all"}: inputs (1797, 8, 8, 1) uint8 in [0, 16], labels in [0, 10).

    Raises DataError where scikit-learn is not installed.
    """
    lines = _digits()
    images = lines[:, :-1].astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = lines[:, -1].astype(np.uint8)
    source = _source("digits", images, labels)
    return Splits(
        name="digits",
        parts={"all": make_split(source.file, images, labels, num_classes=10)},
        class_names=tuple("0123456789"),
        normalisation=Normalisation(scale=16.0),
        sources=(source,),
    )


def read_diabetes() -> Splits:
    """parts={"all"}: inputs (442, 10) float32 of mean 0 and deviation 1, labels (442,) float32, standardised as well.

    An error of 1 in the labels is thus one standard deviation of the target. Raises DataError where scikit-learn is not
    installed.
    """
    bunch = _loaded("diabetes")
    inputs, target = bunch.data, bunch.target
    labels = ((target - target.mean()) / target.std()).astype(np.float32)
    return Splits(
        name="diabetes",
        parts={"all": Split((inputs / inputs.std(axis=0)).astype(np.float32), labels, np.arange(len(labels)))},
        class_names=("progression",),
        sources=(_source("diabetes", inputs.astype(np.float32), target.astype(np.float32)),),
    )


def _digits() -> np.ndarray:
    """(1797, 65): the grey levels of the pixels, and the label."""
    # From its file: to import sklearn.datasets takes longer than all else that a command imports.
    package = importlib.util.find_spec("sklearn")
    for folder in package.submodule_search_locations or () if package else ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    bunch = _loaded("digits")
    return np.column_stack([bunch.data, bunch.target])


def _loaded(name: str) -> Any:
    try:
        import sklearn.datasets
    except ImportError as error:
        raise DataError(f"{name}: comes with scikit-learn, which is missing; pip install scikit-learn") from error
    return getattr(sklearn.datasets, f"load_{name}")()


def _source(name: str, inputs: np.ndarray, labels: np.ndarray) -> Source:
    digest = hashlib.sha256(inputs.tobytes() + labels.tobytes()).hexdigest()
    return identify(name, f"sklearn.datasets.load_{name}", digest)
