"""Texts as numbers of words."""

import numpy as np
import pytest

from lamv.data.words import PADDING, SPECIAL, UNKNOWN, notes_of, numbered, vocabulary_of, words_of


@pytest.mark.parametrize(
    "text, words",
    [
        ("The cat, the CAT!", ["the", "cat", "the", "cat"]),
        ("don't and don\u2019t", ["don't", "and", "don't"]),
        ("'quoted' x_1 3.5", ["quoted", "x_1", "3", "5"]),
        ("Stra\u00dfe \uff21", ["strasse", "a"]),
        # Marks that are letters of their own, that no letter composes with, or that are left of a capital.
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e!",
            ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u092d\u093e\u0937\u093e"],
        ),
        ("\u0645\u064f\u062d\u064e\u0645\u064e\u0651\u062f", ["\u0645\u064f\u062d\u064e\u0645\u064e\u0651\u062f"]),
        ("\u0130zmir x\u0302", ["i\u0307zmir", "x\u0302"]),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"]),
        ("\u2764\ufe0f love", ["love"]),
        ("... --", []),
        ("", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


def test_the_commonest_words_come_first_and_equally_common_ones_by_letter():
    texts = [["b", "a", "b"], ["c", "a"]]
    assert vocabulary_of(texts, 10) == (*SPECIAL, "a", "b", "c")
    assert vocabulary_of([*texts, ["c", "c"]], 2) == (*SPECIAL, "c", "a")
    assert not {*SPECIAL} & {word for name in SPECIAL for word in words_of(name)}


def test_numbers_are_positions_cut_and_filled_up():
    made = numbered([["a", "z", "b"], ["b"]], (*SPECIAL, "a", "b"), 2)
    np.testing.assert_array_equal(made.numbers, [[2, UNKNOWN], [3, PADDING]])
    assert made.numbers.dtype == np.int32 and made.lengths.tolist() == [3, 1] and (made.unknown, made.kept) == (1, 3)
    average, cut, unknown = notes_of(made, 2)
    assert "1 to 3 words, 2.0 on average" in average and "1 of 2 texts are longer than 2" in cut
    assert "1 of 3 words are not in the vocabulary" in unknown
    assert numbered([["a"], ["a", "b"]], (*SPECIAL, "a", "b"), 64).numbers.shape == (2, 2)
