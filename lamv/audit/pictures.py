"""Images for the page: where a part lies, and which examples stand at its two ends."""

import base64
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lamv.audit.reading import Reading
from lamv.core import exchange
from lamv.data.splits import joined

#: Examples at each end, and the side in pixels to which small images are enlarged.
ENDS, SIDE = 8, 56
#: Pictures on the page.
MOST = 4


class Picture(NamedTuple):
    """A PNG as a data URI, and what it shows."""

    title: str
    uri: str
    alt: str
    caption: str


def of(reading: Reading, measured: Mapping[str, Any], methods: Mapping[str, Any]) -> list[Picture]:
    """Pictures of what methods lean on, and of the leading direction; [] for a table."""
    inputs = joined(reading.splits, "inputs")
    if inputs.ndim != 4:
        return []
    leant_on = [lean["direction"] for method in methods.values() for lean in method["leans_on"]]
    parts = sorted(measured["parts"], key=lambda part: part["words"] not in leant_on)
    shown = [part for part in parts if part["words"] in leant_on or part["key"] == "leading direction"][:MOST]
    return [picture for part in shown if (picture := _of_part(reading, inputs, part))]


def _of_part(reading: Reading, inputs: np.ndarray, part: Mapping[str, Any]) -> Picture | None:
    labels = joined(reading.splits, "labels")
    kept = np.linspace(0, len(labels) - 1, min(len(labels), 1500)).astype(int)
    images, labels = inputs[kept], labels[kept]
    values = images.reshape(len(images), -1).astype(np.float32) / 255
    by_label = np.argsort(labels, kind="stable")[np.linspace(0, len(labels) - 1, 2 * ENDS).astype(int)]
    if part["kind"] == "mask":
        block = exchange.blocks(images.shape[1:])[part["key"].removeprefix("block ")]
        return _sheet(
            part, images[by_label], block[..., 0] > 0, "Examples of all classes, in the order of their labels."
        )
    if part["key"].startswith("band"):
        edges = np.array(part["key"].removeprefix("band ").split("-"), np.float32)
        whole = images[by_label].astype(np.float32)
        only = np.asarray(exchange.band(np.zeros_like(whole), whole, edges, shape=images.shape[1:]))
        reach = np.abs(only).max() or 1
        return _sheet(part, (127.5 + 127.5 * only / reach).astype(np.uint8), None,
                      "The part alone, of examples in the order of their labels.")  # fmt: skip
    if part["key"] == "colour":
        along = values.mean(axis=1)
    else:
        try:
            found = exchange.discriminants(values, labels, reading.splits.num_classes, most=1000)
        except ValueError:
            return None
        along = values @ found.axes[:, 0]
    order = np.argsort(along)
    ends = np.concatenate([order[:ENDS], order[-ENDS:]])
    names = reading.splits.class_names
    ends_in_words = [_classes(names, labels[of]) for of in (order[:ENDS], order[-ENDS:])]
    return _sheet(
        part,
        images[ends],
        None,
        f"Above, the examples at one end of it: {ends_in_words[0]}. Below, at the other: {ends_in_words[1]}.",
    )


def _classes(names, labels: np.ndarray) -> str:
    numbers, counts = np.unique(labels, return_counts=True)
    order = counts.argsort()[::-1][:3]
    return ", ".join(f"{counts[at]} of {names[numbers[at]]}" for at in order)


def _sheet(part: Mapping[str, Any], images: np.ndarray, box: np.ndarray | None, caption: str) -> Picture:
    """Two lines of images, as a PNG; box: (H, W) bool, marked by a frame."""
    from PIL import Image, ImageDraw

    scale = max(1, SIDE // max(images.shape[1:3]))
    tiles = []
    for image in images:
        channels = image.repeat(3, axis=2) if image.shape[2] == 1 else image[..., :3]
        tile = Image.fromarray(np.ascontiguousarray(channels)).resize(
            (image.shape[1] * scale, image.shape[0] * scale), Image.Resampling.NEAREST
        )
        if box is not None:
            rows, columns = np.flatnonzero(box.any(axis=1)), np.flatnonzero(box.any(axis=0))
            corners = [columns[0] * scale, rows[0] * scale, (columns[-1] + 1) * scale - 1, (rows[-1] + 1) * scale - 1]
            ImageDraw.Draw(tile).rectangle(corners, outline="#b8431f", width=max(1, scale // 4))
        tiles.append(tile)
    wide, high = tiles[0].size
    sheet = Image.new("RGB", ((wide + 4) * ENDS - 4, 2 * high + 10), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, ((number % ENDS) * (wide + 4), (number // ENDS) * (high + 10)))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    uri = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    title = part["words"][0].upper() + part["words"][1:]
    return Picture(title, uri, f"Sixteen examples. {caption}", caption)
