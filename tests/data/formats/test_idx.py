"""IDX files: wrong headers and lengths, damaged gzip data, claims beyond the limit."""

import gzip

import numpy as np
import pytest
from idx_files import encode

from lamv.data.formats import idx

IMAGES = encode(np.zeros((7, 28, 28), np.uint8))


LABELS = encode(np.zeros(7, np.uint8))


DAMAGE = {
    "empty": ("images", b"", "nothing"),
    "magic": ("images", b"\0\0\x09\x03" + IMAGES[4:], "00000903", "00000803"),
    "float elements": ("images", b"\0\0\x0d\x03" + IMAGES[4:], "00000d03"),
    "labels for images": ("images", LABELS, "00000801", "3 axes"),
    "images for labels": ("labels", IMAGES, "00000803", "1 axes"),
    "cut in the header": ("images", IMAGES[:9], "ends within its header"),
    "cut": ("images", IMAGES[:-1], f"only {7 * 784 - 1} bytes"),
    "trailing": ("images", IMAGES + b"\0", "more bytes"),
    "count in the header": ("images", IMAGES[:7] + b"\x08" + IMAGES[8:], "(8, 28, 28)"),
    "one byte": ("images", b"\0", "begins with 00"),
    "size in the header": ("images", IMAGES[:4] + b"\xff" * 4 + IMAGES[8:], "at most"),
    "one too many": ("images", encode(np.zeros((8, 28, 28), np.uint8)), "7 labels for 8 inputs", "(8, 28, 28)"),
    "none": ("images", encode(np.zeros((0, 28, 28), np.uint8)), "7 labels for 0 inputs"),
    "other pixels": ("images", encode(np.zeros((7, 14, 56), np.uint8)), "14x56", "28x28"),
    "fewer labels": ("labels", encode(np.zeros(6, np.uint8)), "6 labels for 7 inputs"),
    "label range": ("labels", encode(np.array([0, 1, 2, 10, 4, 5, 6], np.uint8)), "label 10 of example 3", "0..9"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damage(idx_folder, refused, kind, suffix):
    which, content, *words = DAMAGE[kind]
    path = idx_folder / f"train-{which}-idx{3 if which == 'images' else 1}-ubyte"
    path.unlink()
    path = path.with_name(path.name + suffix)
    path.write_bytes(gzip.compress(content) if suffix else content)
    refused("mnist", idx_folder, path, *words)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-200], lambda raw: raw[:-4], lambda raw: raw[:-8] + bytes(8)])
def test_damaged_gzip(idx_folder, refused, damage):
    path = idx_folder / "train-images-idx3-ubyte"
    path.write_bytes(damage(gzip.compress(path.read_bytes())))
    refused("mnist", idx_folder, path, "damaged gzip data", "fetch")


def test_gzip_bomb_is_read_no_further_than_its_header_says(idx_folder, refused):
    path = idx_folder / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(IMAGES + bytes(50 << 20), compresslevel=1))
    refused("mnist", idx_folder, path, "more bytes")


def test_a_header_may_not_claim_more_than_the_limit(idx_folder, refused, monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 7 * 784 - 1)
    refused("mnist", idx_folder, "train-images-idx3-ubyte", "at most 5487")
