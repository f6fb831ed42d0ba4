"""Reads the pickles of CIFAR's Python version without running what a pickle could run.

A pickle is a program: `pickle.load` imports and calls whatever it names. Only the names that a dict of NumPy arrays
and strings needs are looked up here; any other stops the reading before anything is called.
"""

import io
import pickle
from typing import Any

import numpy as np

from lamv.errors import DataError, one_line

# NumPy 2 moved the function that rebuilds an array; files written before and after name it differently.
_reconstruct = np.empty(0).__reduce__()[0]


def _encoded(string: str, encoding: str = "latin1") -> bytes:
    """What codecs.encode does for byte strings in pickles; its other encodings can make a few bytes into any number."""
    if type(string) is not str or encoding not in ("latin1", "latin-1"):
        raise ValueError(f"a string in the encoding {encoding!r}; latin1 is allowed")
    return string.encode("latin1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encoded,
}


def read_dict(file: str, data: bytes) -> dict[str, Any]:
    """The dict in a pickle, with str keys; byte strings in values stay bytes where Python 2 wrote them.

    Raises DataError, naming `file`, for a damaged pickle, one that names anything outside ALLOWED, or no dict of strings.
    """
    try:
        content = _Unpickler(file, io.BytesIO(data), encoding="bytes").load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything, from IndexError to MemoryError
        raise DataError(f"{file}: damaged pickle ({one_line(error)}); fetch the file again") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: holds a {type(content).__name__}; a dict is needed")
    for key in content:
        if not isinstance(key, str | bytes):
            raise DataError(f"{file}: its dict has a {type(key).__name__} as key; strings are needed")
    return {text(key): value for key, value in content.items()}


def text(value: Any) -> str:
    """A string of either Python's pickles, as str."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: str, stream: io.BytesIO, **options: Any):
        super().__init__(stream, **options)
        self._file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise DataError(
                f"{self._file}: its pickle names {f'{module}.{name}'!r}, which could run code; only NumPy arrays, "
                "numbers and strings are read; do not trust this file, fetch the official archive"
            )
        return ALLOWED[module, name]
