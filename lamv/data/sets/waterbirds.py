"""Waterbirds: birds of two kinds, pasted on backgrounds of two kinds that mostly agree with them.

Sagawa, Koh, Hashimoto and Liang, "Distributionally robust neural networks", ICLR 2020. The folder as published holds
metadata.csv (img_id, img_filename, y, split, place, place_filename) and the photographs in folders by species. Reported
averages usually weigh the groups as in training, because validation and test set are balanced over backgrounds.
"""

import os
from pathlib import Path

import numpy as np

from lamv.data.integrity import unverified
from lamv.data.photographs.folder import walk
from lamv.data.photographs.listing import Listing, read_listing
from lamv.data.photographs.metadata import chosen, csv_rows
from lamv.data.splits import Splits
from lamv.errors import DataError, shown

FOLDER = "waterbird_complete95_forest2water2"
METADATA = "metadata.csv"

SPLITS = {"0": "train", "1": "valid", "2": "test"}
BINARY = {"0": 0, "1": 1}

CLASSES = ("landbird", "waterbird")
PLACES = ("land", "water")


def read(path: Path, image_size: int, on_broken: str = "error") -> Splits:
    """parts={"train", "valid", "test"}: inputs (N, image_size, image_size, 3) uint8, label the bird, attribute the place.

    path: the folder with metadata.csv, or the one that holds FOLDER. Raises DataError and WorkdirError as `walk` and
    `read_listing` do, and DataError for metadata that are not as published.
    """
    folder = path if os.path.lexists(path / METADATA) else path / FOLDER
    if not os.path.lexists(folder / METADATA):
        raise DataError(
            f"waterbirds: {shown(path)} holds neither {METADATA} nor {FOLDER}/{METADATA}; unpack the archive there"
        )
    metadata = folder / METADATA
    meanings = {"split": SPLITS, "y": BINARY, "place": BINARY}
    rows = [
        (row["img_filename"], *(chosen(where, column, row[column], meanings[column]) for column in meanings))
        for where, row in csv_rows(metadata, ("img_filename", *meanings))
    ]
    files, parts, labels, places = zip(*rows, strict=True)
    listing = Listing(
        folder=folder,
        tree=walk("waterbirds", folder, on_broken),
        files=files,
        parts=parts,
        labels=np.array(labels, np.int32),
        attributes=np.array(places, np.int32),
        class_names=CLASSES,
        attribute_names=PLACES,
        source=metadata,
        sources=(unverified(metadata),),
    )
    return read_listing("waterbirds", listing, image_size, on_broken)
