"""A user's own photographs, from a folder.

Either with metadata.csv, which has a row for every photograph below the folder,

    path,label,split,group
    birds/001.jpg,landbird,train,water

where split is train, valid (or val) or test, and the column group, which may be left out, holds the attribute a: groups
are y * A + a. Or without, a folder for every class: train/CLASS/..., test/CLASS/... and perhaps valid/CLASS/... (or val),
or CLASS/... alone, which the seed then cuts into train and test. Folders of classes may hold folders.

Labels and groups are words or numbers. Classes and attributes are numbered in the order of their names, as numbers if all
of them are, by letter otherwise.
"""

from pathlib import Path

from lamv.data import images
from lamv.data.integrity import and_more, shown
from lamv.data.splits import Splits
from lamv.errors import DataError

METADATA = "metadata.csv"
PARTS = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}

# What file managers leave behind; any other file among the photographs of a class is refused.
LITTER = ("Thumbs.db", "desktop.ini")


def read(path: Path, image_size: int) -> Splits:
    """parts={"train", "test"}, perhaps "valid", or {"all"}: inputs (N, image_size, image_size, 3) uint8.

    Raises DataError and WorkdirError as lamv.data.images.read does, and DataError for metadata of another form, photographs
    outside of the folders of classes, files among them that are no images, and classes without photographs.
    """
    if not path.is_dir():
        raise DataError(f"image_folder: {path} is a file; give the folder")
    listing = _from_metadata(path) if (path / METADATA).exists() else _from_folders(path)
    return images.read("image_folder", listing, image_size)


def _from_metadata(folder: Path) -> images.Listing:
    metadata = folder / METADATA
    rows = []
    for where, row in images.table(metadata, ("path", "label", "split"), optional=("group",)):
        for column, text in row.items():
            if not text:
                raise DataError(f"{where}: {column} is empty; every photograph needs one")
        rows.append(row | {"split": images.chosen(where, "split", row["split"], PARTS)})
    class_names, labels = images.numbered([row["label"] for row in rows])
    grouped = "group" in rows[0]
    attribute_names, attributes = images.numbered([row["group"] for row in rows]) if grouped else ((), None)
    return images.Listing(
        folder=folder,
        tree=images.walk(folder),
        files=[row["path"] for row in rows],
        parts=[row["split"] for row in rows],
        labels=labels,
        attributes=attributes,
        class_names=class_names,
        attribute_names=attribute_names,
        source=metadata,
        sources=(images.source_of(metadata),),
    )


def _from_folders(folder: Path) -> images.Listing:
    tree = images.walk(folder)
    parts = _part_folders(folder, tree)
    depth = 1 if parts else 0  # of the folders of classes
    files, labels, stray = [], [], []
    for file in sorted(tree.files):
        names = file.split("/")
        inside = len(names) > depth + 1 and (not parts or names[0] in parts)
        if inside and images.is_image(file):
            files.append(file)
            labels.append(names[depth])
        elif (inside and names[-1] not in LITTER) or images.is_image(file):
            stray.append(folder / file)
    form = f"{'|'.join(parts)}/CLASS/" if parts else "CLASS/"
    for path in stray[:1]:
        raise DataError(
            f"image_folder: {shown(path)}{and_more(stray)} is no image of a class; {form} may hold files that end in"
            f" {', '.join(images.ENDINGS)}, and nothing else of {folder} may"
        )
    _check_classes(folder, tree, files, depth, parts)
    if not files:
        raise DataError(f"image_folder: {folder} holds neither {METADATA} nor photographs in folders CLASS/")
    class_names, labels = images.numbered(labels)
    of_files = [parts[file.split("/")[0]] if parts else "all" for file in files]
    return images.Listing(folder, tree, files, of_files, labels, None, class_names)


def _part_folders(folder: Path, tree: images.Tree) -> dict[str, str]:
    """The folders at the top that are parts, and which; {} where the folders at the top are classes."""
    found = {name: part for name, part in PARTS.items() if name in tree.folders}
    if "valid" in found and "val" in found:
        raise DataError(f"image_folder: {folder} holds both valid/ and val/; keep one")
    for needed in ("train", "test") if found else ():
        if needed not in found:
            raise DataError(f"image_folder: {folder} holds {', '.join(found)} and no {needed}; add it, or rename one")
    return found


def _check_classes(folder: Path, tree: images.Tree, files: list[str], depth: int, parts: dict[str, str]) -> None:
    used = {"/".join(file.split("/")[: depth + 1]) for file in files}
    for name in sorted(tree.folders):
        levels = name.split("/")
        if len(levels) == depth + 1 and (not parts or levels[0] in parts) and name not in used:
            raise DataError(f"image_folder: {shown(folder / name)} holds no photographs; fill it, or take it away")
