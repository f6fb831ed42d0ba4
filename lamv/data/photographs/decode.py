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
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lamv.errors import one_line

# Pillow reads more, but some of that by running other programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
# A file of a few KB can claim any size. Pillow's own limit is a third higher, and for a start warns only.
MAX_PIXELS = 1 << 26
# Uncompressed, MAX_PIXELS take half of it.
MAX_BYTES = 1 << 29

# Errors of the system, not of the file.
_NOT_NOW = ("EACCES", "EPERM", "ENOENT", "EIO", "ESTALE", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT")
UNREADABLE = frozenset(getattr(errno, name) for name in _NOT_NOW)


class Facts(NamedTuple):
    """How many photographs have transparent pixels, several frames, or fewer pixels than asked for.

    smallest, largest: (pixels, width, height), upright; () of no photograph.
    """

    transparent: int = 0
    frames: int = 0
    enlarged: int = 0
    smallest: tuple[int, ...] = ()
    largest: tuple[int, ...] = ()

    def joined(self, other: "Facts") -> "Facts":
        """The facts of both sets of photographs."""
        return Facts(
            self.transparent + other.transparent,
            self.frames + other.frames,
            self.enlarged + other.enlarged,
            min(filter(None, (self.smallest, other.smallest)), default=()),
            max(self.largest, other.largest),
        )


class Square(NamedTuple):
    """One photograph, (image_size, image_size, 3) uint8, and its facts."""

    pixels: np.ndarray
    facts: Facts


def decode(path: Path, image_size: int) -> Square:
    """One photograph. Raises ValueError, or what Pillow raises, if it is broken."""
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
        width, height = image.size
        pixels, transparent = on_white(image, image_size)
        frames = False
        # The first frame is whole, whatever follows it. is_animated looks no further than at the second.
        with contextlib.suppress(Exception):
            frames = bool(getattr(image, "is_animated", False))
    shape = (width * height, width, height)
    return Square(pixels, Facts(int(transparent), int(frames), int(min(width, height) < image_size), shape, shape))


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


def reason(error: Exception) -> str | None:
    """Why a photograph that raised this error is broken; None where its file may be whole but cannot be read now."""
    if isinstance(error, UnidentifiedImageError):
        return f"is no image of a kind that is read ({', '.join(FORMATS)})"
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in UNREADABLE:
        return None
    return f"cannot be decoded ({one_line(error)})"
