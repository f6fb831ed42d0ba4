"""A folder of photographs with metadata.csv."""

from lamv import data

ROWS = [
    ("x/1.png", "cat", "train", "grass"),
    ("x/2.png", "dog", "test", "snow"),
    ("3.png", "dog", "train", "sand"),
    ("y/4.png", "cat", "val", "snow"),
    ("y/5.png", "cat", "test", "grass"),
    ("y/6.png", "dog", "valid", "grass"),
]


def load(folder, **options):
    return data.load("image_folder", folder, image_size=4, **options)
