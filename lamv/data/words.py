"""Texts as the numbers of their words.

A word is a run of letters, digits and underscores, with their combining marks, and with apostrophes and joiners
inside, in small letters (Unicode NFKC, case folded); punctuation is dropped. Words are numbered by a vocabulary, whose
first two entries are no words: PADDING fills up a text that is shorter than the longest, and UNKNOWN stands for every
word that the vocabulary lacks.

Axis letters: N texts, L words of the longest.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

PADDING, UNKNOWN = range(2)
#: Their names in a vocabulary; no text has such words.
SPECIAL = ("<padding>", "<unknown>")
# Vowel signs and accents of Hindi, Thai, Arabic and others, which \w lacks.
MARKS = "".join(chr(code) for code in range(0x300, 0x1EA00) if unicodedata.category(chr(code)).startswith("M"))
JOINERS = "\u200c\u200d"
WORD = re.compile(rf"\w[\w{MARKS}{JOINERS}]*(?:'\w[\w{MARKS}{JOINERS}]*)*")


class Numbered(NamedTuple):
    """numbers: (N, L) int32, PADDING after the end of a text. lengths: (N,) words of each text, before any was cut.

    unknown: words, of those that are kept, that the vocabulary lacks; kept: their number.
    """

    numbers: np.ndarray
    lengths: np.ndarray
    unknown: int
    kept: int


def words_of(text: str) -> list[str]:
    """The words of a text, in order; [] where it has none."""
    return WORD.findall(unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold())


def vocabulary_of(texts: Iterable[Sequence[str]], most: int) -> tuple[str, ...]:
    """SPECIAL, then the `most` commonest words of these texts; of equally common ones, the first by letter."""
    counts = Counter(word for words in texts for word in words)
    return (*SPECIAL, *sorted(counts, key=lambda word: (-counts[word], word))[:most])


def numbered(texts: Sequence[Sequence[str]], vocabulary: Sequence[str], length: int) -> Numbered:
    """The words of texts by their position in the vocabulary. length: words of a text that are kept, its first."""
    position = {word: number for number, word in enumerate(vocabulary)}
    lengths = np.array([len(words) for words in texts], np.int32)
    numbers = np.full((len(texts), min(length, max(lengths, default=0))), PADDING, np.int32)
    for row, words in zip(numbers, texts, strict=True):
        row[: len(words)] = [position.get(word, UNKNOWN) for word in words[:length]]
    return Numbered(numbers, lengths, int(np.sum(numbers == UNKNOWN)), int(np.sum(numbers != PADDING)))


def notes_of(made: Numbered, length: int) -> list[str]:
    """How long the texts are, a sentence each: what was cut off, what was filled up."""
    lengths, width = made.lengths, made.numbers.shape[1]
    notes = [f"texts have {lengths.min()} to {lengths.max()} words, {np.mean(lengths):.1f} on average"]
    if lengths.min() < width:
        notes[0] += f"; what is shorter than {width} words is filled up with padding, which never counts"
    if cut := int(np.sum(lengths > length)):
        notes.append(f"{cut:,} of {len(lengths):,} texts are longer than {length} words (data.text.length) and are cut")
    if made.unknown:
        notes.append(f"{made.unknown:,} of {made.kept:,} words are not in the vocabulary and count as one unknown word")
    return notes
