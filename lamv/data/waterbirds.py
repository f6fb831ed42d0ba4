"""Waterbirds: birds of two kinds, pasted on backgrounds of two kinds that mostly agree with them.

Sagawa, Koh, Hashimoto and Liang, "Distributionally robust neural networks", ICLR 2020. The folder as published holds
metadata.csv (img_id, img_filename, y, split, place, place_filename) and the photographs in folders by species. Reported
averages usually weigh the groups as in training, because validation and test set are balanced over backgrounds.
"""

import os
from pathlib import Path

import numpy as np

from lamv.data import images
from lamv.data.integrity import shown
from lamv.data.splits import Splits
from lamv.errors import DataError

FOLDER = "waterbird_complete95_forest2water2"
METADATA = "metadata.csv"

COLUMNS = ("img_filename", "y", "split", "place")
SPLITS = {"0": "train", "1": "valid", "2": "test"}
BINARY = {"0": 0, "1": 1}

CLASSES = ("landbird", "waterbird")
PLACES = ("land", "water")


def read(path: Path, image_size: int, on_broken: str = "error") -> Splits:
    """parts={"train", "valid", "test"}: inputs (N, image_size, image_size, 3) uint8, label the bird, attribute the place.

    path: the folder with metadata.csv, or the one that holds FOLDER. Raises DataError and WorkdirError as
    lamv.data.images.walk and read do, and DataError for metadata that are not as published.
    """
    folder = path if os.path.lexists(path / METADATA) else path / FOLDER
    if not os.path.lexists(folder / METADATA):
        raise DataError(
            f"waterbirds: {shown(path)} holds neither {METADATA} nor {FOLDER}/{METADATA}; unpack the archive there"
        )
    metadata = folder / METADATA
    files, parts, labels, places = [], [], [], []
    for where, row in images.table(metadata, COLUMNS):
        files.append(row["img_filename"])
        parts.append(images.chosen(where, "split", row["split"], SPLITS))
        labels.append(images.chosen(where, "y", row["y"], BINARY))
        places.append(images.chosen(where, "place", row["place"], BINARY))
    listing = images.Listing(
        folder=folder,
        tree=images.walk("waterbirds", folder, on_broken),
        files=files,
        parts=parts,
        labels=np.array(labels, np.int32),
        attributes=np.array(places, np.int32),
        class_names=CLASSES,
        attribute_names=PLACES,
        source=metadata,
        sources=(images.source_of(metadata),),
    )
    return images.read("waterbirds", listing, image_size, on_broken)
