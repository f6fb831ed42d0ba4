"""Photographs decoded once, to squares of one size, and kept.

A photograph is turned as its EXIF orientation says and converted to RGB (grey, palette and CMYK alike; an alpha channel
is dropped). Its largest centred square is then scaled to image_size pixels, bilinearly, each pixel averaging over the
area that it covers. That is the same region at the same scale as "shorter side to image_size, then centre crop"; only
next to the edges that were cut do the two differ, because here the filter does not look beyond them. In return a
photograph of 1 x 60 000 pixels needs no more memory than any other. JPEGs are decoded in full, not at the nearest
eighth of their size, which would be up to 1.5 times faster and give other pixels.

Threads decode, for Pillow lets go of Python's lock while it does: no processes are started beside JAX's own threads.
What they make is the same bytes however many they are.

The cache is one .npy file of uint8 (N, image_size, image_size, 3) for each set of photographs and size, in
$LAMV_CACHE/images, or $XDG_CACHE_HOME/lamv/images, or ~/.cache/lamv/images (mode 0700). Its name is a sha256 over the
folder, the names, sizes and times of the files in order, image_size and the version of the decoder; so a photograph that
changed in place with neither another size nor another time goes unnoticed. Beside it:

NAME.json           the sha256 of the pixels, checked at every load; written when all are decoded
NAME.partial.npy    chunks of CHUNK photographs, in place, while some are still to be decoded
NAME.partial.txt    "chunk sha256" for every chunk that is; an interrupted decoding goes on from there
NAME.lock           held while decoding; another process waits, and finds the work done

Nothing is ever deleted of it but what was never finished; the folder may be removed whenever no run uses it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError, features
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from lamv.data.integrity import and_more, one_line, shown
from lamv.errors import DataError, WorkdirError

# Pillow reads more, but some of that by running other programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")

# A file of a few KB can claim any size. Pillow's own limit is a third higher, and for a start warns only.
MAX_PIXELS = 1 << 26

CHUNK = 64
LAYOUT = 1  # of the files; raised whenever the pixels that this module makes change
MOST_THREADS = 16
SECONDS_BETWEEN_LINES = 10.0

Outcome = TypeVar("Outcome")

logger = logging.getLogger("lamv.data")


class Photograph(NamedTuple):
    """A file, by its name relative to a folder, with its size in bytes and its time of modification in ns."""

    name: str
    size: int
    modified: int


class Chunk(NamedTuple):
    """Decoded photographs, (CHUNK or fewer, S, S, 3) uint8, and of the broken ones what is wrong, by row in the set."""

    pixels: np.ndarray
    sha256: str
    broken: dict[int, str]
    stored: bool  # whether the pixels were read back rather than decoded


class Job(NamedTuple):
    """What to decode, and where it is kept: `stem` is the path of all its files without their endings."""

    name: str
    folder: Path
    photographs: Sequence[Photograph]
    image_size: int
    stem: Path

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.photographs), self.image_size, self.image_size, 3)

    def file(self, ending: str) -> Path:
        return self.stem.with_name(self.stem.name + ending)


def read(name: str, folder: Path, photographs: Sequence[Photograph], image_size: int) -> tuple[np.ndarray, str]:
    """The photographs as one array (N, image_size, image_size, 3) uint8, mapped into memory, and its bytes' sha256.

    name: of the data set, for messages. Decodes only what the cache does not hold; what it holds is checked.
    Raises DataError that names the first file that is broken and says how many more there are, and WorkdirError where
    the cache cannot be read or written.
    """
    job = Job(name, folder, photographs, image_size, cache_folder() / _key(folder, photographs, image_size))
    try:
        found = _finished(job)
        if found is None:
            job.stem.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(job):
                found = _finished(job) or _decoded(job)  # another process may have finished it meanwhile
    except OSError as error:
        where = shown(error.filename or job.stem.parent)
        why = error.strerror or one_line(error)
        raise WorkdirError(
            f"{name}: the cache of decoded photographs, {where}, cannot be used ({why}); set LAMV_CACHE to a folder with"
            f" {_mib(job)} free"
        ) from error
    return found


def cache_folder() -> Path:
    """Where decoded photographs are kept. Raises WorkdirError where there is neither an environment variable nor a home."""
    own, caches = os.environ.get("LAMV_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(own or f"{caches or '~/.cache'}/lamv").expanduser()
    except RuntimeError:
        raise WorkdirError(
            "there is no home folder to keep decoded photographs in; set LAMV_CACHE to a folder"
        ) from None
    return folder / "images"


def decode(path: Path, image_size: int) -> np.ndarray:
    """One photograph as (image_size, image_size, 3) uint8. Raises ValueError, or what Pillow raises, if it is broken."""
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS} are read")
        image.load()
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            raise ValueError(f"pixels of mode {image.mode}; at most 8 bits a channel are read")
        # An orientation that cannot be read is none.
        with contextlib.suppress(Exception):
            ImageOps.exif_transpose(image, in_place=True)
        square = ImageOps.fit(image.convert("RGB"), (image_size, image_size), Image.Resampling.BILINEAR)
        return np.asarray(square)


def _key(folder: Path, photographs: Sequence[Photograph], image_size: int) -> str:
    decoder = [LAYOUT, PIL.__version__, features.version("libjpeg_turbo") or features.version("jpg")]
    content = json.dumps([decoder, os.path.realpath(folder), image_size, photographs])
    return hashlib.sha256(content.encode()).hexdigest()


def _finished(job: Job) -> tuple[np.ndarray, str] | None:
    """The array and its digest, once its bytes are found to have it; None where there is none, or a damaged one."""
    if not job.file(".json").exists() or not job.file(".npy").exists():
        return None
    try:
        sha256 = json.loads(job.file(".json").read_text())["sha256"]
        pixels = np.load(job.file(".npy"), mmap_mode="r", allow_pickle=False)
        # A view of the base class: a memmap would hand its type on to whatever is computed from it.
        pixels = pixels.view(np.ndarray)
        if pixels.dtype == np.uint8 and pixels.shape == job.shape and _sha256(pixels) == sha256:
            return pixels, sha256
    except (ValueError, KeyError, TypeError):  # JSON or a header that was overwritten, a file that was cut off
        pass
    logger.warning("%s: the cached file %s is damaged; decoding the photographs again", job.name, job.file(".npy"))
    return None


@contextlib.contextmanager
def _locked(job: Job) -> Iterator[None]:
    """Holds the job's lock, which the kernel lets go of however the process ends."""
    with open(job.file(".lock"), "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another process that decodes the photographs", job.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _decoded(job: Job) -> tuple[np.ndarray, str]:
    """Decodes what is not decoded yet, and finishes the cached file."""
    _check_space(job)
    logger.info("%s: decoding %d photographs, once, to %s", job.name, len(job.photographs), job.file(".npy"))
    data_file, done_file = job.file(".partial.npy"), job.file(".partial.txt")
    done = _done(done_file)
    whole, broken = hashlib.sha256(), {}
    data_file.touch()
    with open(data_file, "r+b") as data, open(done_file, "a") as record, _Progress(job) as progress:
        start = _write_header(data, job.shape)
        number = -(-len(job.photographs) // CHUNK)
        chunks = _in_threads(lambda index: _chunk(job, index, start, done.get(index)), number)
        with contextlib.closing(chunks):
            for index, chunk in enumerate(chunks):
                whole.update(chunk.pixels)
                broken |= chunk.broken
                if not chunk.stored and not chunk.broken:
                    data.seek(start + index * CHUNK * _row_bytes(job))
                    data.write(chunk.pixels)
                    data.flush()
                    record.write(f"{index} {chunk.sha256}\n")
                    record.flush()
                progress.advance(len(chunk.pixels))
        os.fsync(data.fileno())
    if broken:
        _refuse(job, broken)
    # The digest first: the file of pixels appears under its name only when that can be checked.
    beside = job.file(".json.tmp")
    beside.write_text(json.dumps({"sha256": whole.hexdigest(), "shape": job.shape, "folder": str(job.folder)}))
    os.replace(beside, job.file(".json"))
    os.replace(data_file, job.file(".npy"))
    done_file.unlink()
    return np.load(job.file(".npy"), mmap_mode="r", allow_pickle=False).view(np.ndarray), whole.hexdigest()


def _chunk(job: Job, index: int, start: int, sha256: str | None) -> Chunk:
    """The photographs of a chunk: read back if they are stored with that digest, otherwise decoded."""
    rows = range(index * CHUNK, min((index + 1) * CHUNK, len(job.photographs)))
    shape = (len(rows), *job.shape[1:])
    if sha256 is not None:
        size, offset = len(rows) * _row_bytes(job), start + rows.start * _row_bytes(job)
        stored = np.fromfile(job.file(".partial.npy"), np.uint8, size, offset=offset)
        if len(stored) == size and _sha256(stored) == sha256:
            return Chunk(stored.reshape(shape), sha256, {}, stored=True)
    pixels, broken = np.zeros(shape, np.uint8), {}
    for place, row in enumerate(rows):
        try:
            pixels[place] = decode(job.folder / job.photographs[row].name, job.image_size)
        except UnidentifiedImageError:
            broken[row] = f"is no image of a kind that is read: {', '.join(FORMATS)}"
        # Each of Pillow's readers has its own ways to say that a file is damaged.
        except Exception as error:
            broken[row] = f"cannot be decoded ({one_line(error)})"
    return Chunk(pixels, _sha256(pixels), broken, stored=False)


def _in_threads(work: Callable[[int], Outcome], number: int) -> Iterator[Outcome]:
    """work(0), work(1), ... in order, done by threads that are at most a few of them ahead."""
    threads = min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, MOST_THREADS
    )
    ahead: deque = deque()
    # Pillow warns of odd metadata, and of sizes short of its own limit; the former is no matter, the latter is broken.
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            for index in range(number):
                ahead.append(pool.submit(work, index))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _refuse(job: Job, broken: dict[int, str]) -> None:
    """DataError for the broken photograph that is first by name. What was decoded goes: mended, the set has another key."""
    for ending in (".partial.npy", ".partial.txt"):
        job.file(ending).unlink()
    first = min(broken, key=lambda row: job.photographs[row].name)
    path = shown(job.folder / job.photographs[first].name)
    raise DataError(
        f"{job.name}: {path} {broken[first]}{and_more(broken)}, of {len(job.photographs)}; fetch or save them again"
    )


def _check_space(job: Job) -> None:
    partial = job.file(".partial.npy")
    taken = partial.stat().st_blocks * 512 if partial.exists() else 0
    if shutil.disk_usage(job.stem.parent).free + taken < len(job.photographs) * _row_bytes(job):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(job.stem.parent))


def _done(file: Path) -> dict[int, str]:
    """The digests of the chunks that are decoded; a line that was cut off is left out."""
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = [line.split() for line in lines]
    return {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> int:
    """Begins an .npy file of uint8, and says where its pixels begin."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


def _row_bytes(job: Job) -> int:
    return job.image_size**2 * 3


def _mib(job: Job) -> str:
    return f"{len(job.photographs) * _row_bytes(job) / 2**20:.0f} MiB"


def _sha256(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels).hexdigest()


class _Progress:
    """How many photographs are decoded: a bar on a terminal, elsewhere a line every few seconds."""

    def __init__(self, job: Job):
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Bars(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._total = len(job.photographs)
        self._task = self._bars.add_task(f"{job.name}: decoding", total=self._total)
        self._name, self._number, self._last_line = job.name, 0, time.monotonic()

    def advance(self, photographs: int) -> None:
        self._number += photographs
        self._bars.update(self._task, advance=photographs)
        if self._bars.disable and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            logger.info("%s: %d of %d photographs decoded", self._name, self._number, self._total)

    def __enter__(self) -> "_Progress":
        self._bars.start()
        return self

    def __exit__(self, *_) -> None:
        self._bars.stop()
