"""One photograph as a square of RGB pixels.

A photograph is turned as its EXIF orientation says and converted to RGB (grey, palette and CMYK alike). Transparent pixels
are composited on white. Of several frames or pages the first is read.

Its largest centred square is scaled to image_size pixels, bilinearly, each pixel averaging over the area that it covers:
"shorter side to image_size, then centre crop", except that the filter does not look beyond the edges that were cut, so
that a photograph of 1 x 60 000 pixels needs no more memory than any other. JPEGs are decoded in full, not at the nearest
eighth of their size, which would be up to 1.5 times faster and give other pixels.
"""

import contextlib
import errno
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lamv.errors import DataError, one_line, shown

# Pillow reads more, but some of that by running other programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
# A file of a few KB can claim any size. Pillow's own limit is a third higher, and for a start warns only.
MAX_PIXELS = 1 << 26
# Uncompressed, MAX_PIXELS take half of it.
MAX_BYTES = 1 << 29

# Errors of the system, not of the file.
_NOT_NOW = ("EACCES", "EPERM", "ENOENT", "EIO", "ESTALE", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT")
UNREADABLE = frozenset(getattr(errno, name) for name in _NOT_NOW)


Facts = tuple[int, int, int, int]  # transparent pixels (0 or 1), several frames (0 or 1), width and height, upright


def attempt(name: str, path: Path, image_size: int) -> tuple[np.ndarray, Facts] | str:
    """What `decode` returns, or why the photograph is broken. name: of the data set, for messages.

    Raises DataError where the file may be whole, but cannot be read now: permissions, a disk that fails, too little memory.
    """
    try:
        return decode(path, image_size)
    except UnidentifiedImageError:
        return f"is no image of a kind that is read ({', '.join(FORMATS)})"
    except Exception as error:  # Pillow's readers raise errors of many classes
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in UNREADABLE:
            why = getattr(error, "strerror", None) or one_line(error)
            raise DataError(f"{name}: {shown(path)}: cannot be read ({why}); mend that, and start again") from error
        return f"cannot be decoded ({one_line(error)})"


def decode(path: Path, image_size: int) -> tuple[np.ndarray, Facts]:
    """(image_size, image_size, 3) uint8, and the facts. Raises ValueError, or what Pillow raises, if it is broken."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes; at most {MAX_BYTES} are read")
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS} are read")
        image.load()
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            raise ValueError(f"pixels of mode {image.mode}; at most 8 bits a channel are read, save it with 8")
        # An orientation that cannot be read is none.
        with contextlib.suppress(Exception):
            ImageOps.exif_transpose(image, in_place=True)
        pixels, transparent = on_white(image, image_size)
        frames = False
        # The first frame is whole, whatever follows it. is_animated looks no further than at the second.
        with contextlib.suppress(Exception):
            frames = bool(getattr(image, "is_animated", False))
        return pixels, (int(transparent), int(frames), *image.size)


def on_white(image: Image.Image, image_size: int) -> tuple[np.ndarray, bool]:
    """The middle square of an image on white, (image_size, image_size, 3), and whether the image has transparent pixels."""
    shape, bilinear = (image_size, image_size), Image.Resampling.BILINEAR
    if image.has_transparency_data:
        # Pillow converts La to LA only.
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            # Scaled with colours times alpha, so that invisible colours do not bleed into visible ones.
            square = np.asarray(ImageOps.fit(image.convert("RGBa"), shape, bilinear)).astype(np.int32)
            return np.minimum(square[..., :3] + 255 - square[..., 3:], 255).astype(np.uint8), True
    return np.asarray(ImageOps.fit(image.convert("RGB"), shape, bilinear)), False
