"""Cues that can be planted in the inputs (data.shortcut.kind). lamv.core.shortcuts and image_cues define them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lamv.catalog.words import plain


class CueEntry(NamedTuple):
    """name: in a sentence, after "the". sentence: what is planted; strength is put in.

    knobs: under data.shortcut, beside those that every cue has. may_be_wrong: whether it goes with the label with a
    probability, data.shortcut.reliability; else it always does.
    """

    name: str
    sentence: str
    knobs: tuple[str, ...] = ()
    may_be_wrong: bool = True


NONE = "none"
CUES: dict[str, CueEntry] = {
    "tag": CueEntry("tag", "a tag: {strength} × one-hot of the class, written over or next to the inputs"),
    "pixel": CueEntry("pixel", "a pixel: one input that tells class 1 from class 0, of size {strength}", ("coding",)),
    "colour": CueEntry("colour", "the colour of the image, of strength {strength}"),
    "patch": CueEntry("patch", "a coloured patch in the image’s upper left corner, of strength {strength}"),
    "watermark": CueEntry(
        "watermark", "a number in white digits in the image’s lower right corner, of strength {strength}"
    ),
    "colour_cast": CueEntry("colour cast", "a colour cast over the image, of strength {strength}"),
    "frequency": CueEntry("grating", "a grating over the image, of strength {strength}"),
    "dominoes": CueEntry(
        "upper image",
        "a second image, of another data set, above the image, of strength {strength}",
        ("images", "images_path", "images_classes"),
    ),
    "cat_channel": CueEntry(
        "second image", "a second image of the class in channels of its own, of strength {strength}", may_be_wrong=False
    ),
}


def name_of(kind: str) -> str:
    """ "tag", "colour cast"; "cue" for a kind that is not listed."""
    return CUES[kind].name if kind in CUES else "cue"


def in_words(shortcut: Mapping[str, Any]) -> str:
    """The cue of a row and how often it is right. shortcut: the knobs under data.shortcut."""
    kind, strength, noise = (shortcut.get(key) for key in ("kind", "strength", "noise"))
    if kind in (None, NONE):
        return "none was planted"
    sentence = CUES[kind].sentence if kind in CUES else f"“{kind}” of strength {{strength}}"
    varies = f"plus Gaussian noise of standard deviation {noise:g}" if noise else "without noise"
    planted = sentence.replace("{strength}", "unset" if strength is None else plain(strength))
    return f"{planted}, {varies}; in training it agrees with the label with probability {_reliabilities(shortcut)}"


def _reliabilities(shortcut: Mapping[str, Any]) -> str:
    """ "0.9", or "0.8 or 0.9, by environment; in the split test with probability 0.1"."""
    reliability = shortcut.get("reliability")
    words = "unset" if reliability is None else plain(reliability)
    if shortcut.get("environments"):
        words = " or ".join(f"{share:g}" for share in shortcut["environments"]) + ", by environment"
    for split in ("valid", "test"):
        if shortcut.get(f"{split}_reliability") is not None:
            words += f"; in the split {split} with probability {shortcut[f'{split}_reliability']:g}"
    return words
