"""Texts without a download: the docstrings of installed libraries, each with its library for a class.

A text is the first LONGEST words of a docstring, the names of the libraries left out; one of fewer than SHORTEST is none.
What two libraries share is left out, too. Which texts there are depends on the versions of the libraries, which stand
beside the digest of the texts: numbers of one installation compare with those of another only as far as these agree.
"""

import hashlib
import importlib.util
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from lamv.data.sets.text import splits_of
from lamv.data.splits import Source, Splits, make_split
from lamv.data.words import words_of
from lamv.errors import DataError

#: {module: distribution}
LIBRARIES = {
    "numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn", "matplotlib": "matplotlib", "jax": "jax", "flax": "flax",
}  # fmt: skip
SHORTEST, LONGEST = 8, 20
#: Words by which a library calls itself.
OWN_NAMES = re.compile(r"numpy|^np$|scipy|sklearn|scikit|matplotlib|^mpl|pyplot|^plt$|jax|^jnp$|flax|linen|^nnx$")
# By pattern, for parsing takes twenty times longer: a string right below a line that ends in a colon.
DOCSTRING = re.compile(r':[ \t]*\n[ \t]+[rR]?"""(.*?)"""', re.DOTALL)
TESTS = ("tests", "test", "testing")


def read(text_length: int, text_vocabulary: int) -> Splits:
    """parts={"all"}: inputs (N, L) int32, numbers of words; labels the libraries that are installed.

    text_length, text_vocabulary: as in lamv.data.sets.text. Raises DataError where fewer than two libraries are there.
    """
    texts = {name: set(docstrings(folder)) for name, folder in _installed().items()}
    if len(texts) < 2:
        raise DataError(f"docstrings: {len(texts)} of {', '.join(LIBRARIES)} are installed; at least 2 are needed")
    own = {
        name: sorted(of - set().union(*(others for other, others in texts.items() if other != name)))
        for name, of in texts.items()
    }
    labels = np.repeat(np.arange(len(own)), [len(of) for of in own.values()])
    words = [text.split(" ") for of in own.values() for text in of]
    inputs, about = splits_of(words, np.ones(len(words), bool), text_length, text_vocabulary)
    versions = ", ".join(f"{LIBRARIES[name]} {metadata.version(LIBRARIES[name])}" for name in own)
    digest = hashlib.sha256("\n".join(f"{name}\t{text}" for name, of in own.items() for text in of).encode())
    return Splits(
        name="docstrings",
        parts={"all": make_split("docstrings", inputs, labels, len(own))},
        class_names=tuple(own),
        sources=(Source(f"docstrings of {versions}", digest.hexdigest(), official=None),),
        words=about["words"],
        notes=(f"the first words of docstrings of {versions}; other versions have other texts", *about["notes"]),
    )


def docstrings(folder: Path) -> Iterator[str]:
    """The texts of the modules below a folder, in the order of their names: words with a space between."""
    for path in sorted(folder.rglob("*.py")):
        if any(part in TESTS for part in path.relative_to(folder).parts):
            continue
        for docstring in DOCSTRING.findall(path.read_text("utf-8", errors="replace")):
            words = [word for word in words_of(docstring) if not OWN_NAMES.search(word)]
            if len(words) >= SHORTEST:
                yield " ".join(words[:LONGEST])


def _installed() -> dict[str, Path]:
    """{library: its folder}, found without importing it."""
    found = {}
    for name in LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations:
            found[name] = Path(next(iter(spec.submodule_search_locations)))
    return found
