"""Photographs decoded once, to squares of one size, and kept.

A photograph is turned as its EXIF orientation says and converted to RGB (grey, palette and CMYK alike). What is
transparent, wholly or in part, is put on white. Of a file with several frames or pages the first is read.

Its largest centred square is then scaled to image_size pixels, bilinearly, each pixel averaging over the area that it
covers. That is the same region at the same scale as "shorter side to image_size, then centre crop"; only next to the edges
that were cut do the two differ, because here the filter does not look beyond them. In return a photograph of 1 x 60 000
pixels needs no more memory than any other. JPEGs are decoded in full, not at the nearest eighth of their size, which would
be up to 1.5 times faster and give other pixels.

Threads decode, for Pillow lets go of Python's lock while it does: no processes are started beside JAX's own threads.
What they make is the same bytes however many they are.

The cache is one .npy file of uint8 (N, image_size, image_size, 3) for each set of photographs and size, in
$LAMV_CACHE/images, or $XDG_CACHE_HOME/lamv/images, or ~/.cache/lamv/images (mode 0700). Its name is a sha256 over the
folder, the names, sizes and times of the files in order, image_size and the version of the decoder; so a photograph that
changed in place with neither another size nor another time goes unnoticed. Beside it:

NAME.json           sha256 of the pixels, checked at every load; the broken photographs and why; Facts of the others; a seal,
                    the sha256 of all that; written when all are decoded
NAME.partial.npy    chunks of CHUNK photographs, in place, while some are still to be decoded; black where broken
NAME.partial.jsonl  sha256, broken and Facts of every chunk that is; an interrupted decoding goes on from there
NAME.lock           held while decoding; another process waits, and finds the work done

Broken photographs are not in NAME.npy: the others move together once all are decoded. A photograph that cannot be read
at the moment (permissions, a disk that fails, memory that is short) ends the decoding; it never counts as broken.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError, features
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from lamv import files
from lamv.data.integrity import and_more, one_line, shown
from lamv.errors import DataError, WorkdirError

# Pillow reads more, but some of that by running other programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")

# A file of a few KB can claim any size. Pillow's own limit is a third higher, and for a start warns only.
MAX_PIXELS = 1 << 26

# Uncompressed, MAX_PIXELS take half of it.
MAX_BYTES = 1 << 29

# What the system says of a file that may be sound.
UNREADABLE = frozenset(
    (
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.EIO,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ETIMEDOUT,
    )
)

CHUNK = 64
LAYOUT = 2  # of the files; raised whenever the pixels that this module makes change
MOST_THREADS = 16
SECONDS_BETWEEN_LINES = 10.0

Outcome = TypeVar("Outcome")

logger = logging.getLogger("lamv.data")


class Photograph(NamedTuple):
    """A file, by its name relative to a folder, with its size in bytes and its time of modification in ns."""

    name: str
    size: int
    modified: int


class Facts(NamedTuple):
    """What decoded photographs are like: how many have transparent pixels, several frames, or fewer pixels than asked for.

    smallest, largest: (pixels, width, height), upright; none of no photograph.
    """

    transparent: int = 0
    frames: int = 0
    enlarged: int = 0
    smallest: tuple[int, ...] = ()
    largest: tuple[int, ...] = ()

    def joined(self, other: "Facts") -> "Facts":
        sums = [a + b for a, b in zip(self[:3], other[:3], strict=True)]
        least = min(filter(None, (self.smallest, other.smallest)), default=())
        return Facts(*sums, least, max(self.largest, other.largest))


class Square(NamedTuple):
    """One photograph, (image_size, image_size, 3) uint8, and what it was like."""

    pixels: np.ndarray
    facts: Facts


class Decoded(NamedTuple):
    """The photographs that are not broken, (N, S, S, 3) uint8, with the sha256 of their bytes and what they are like.

    broken: of the others what is wrong, by their position in the set, ascending.
    """

    pixels: np.ndarray
    sha256: str
    broken: dict[int, str]
    facts: Facts


class Chunk(NamedTuple):
    """Decoded photographs, (CHUNK or fewer, S, S, 3) uint8, black where broken; what is wrong there, by row in the set."""

    pixels: np.ndarray
    sha256: str
    broken: dict[int, str]
    facts: Facts
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


def read(
    name: str, folder: Path, photographs: Sequence[Photograph], image_size: int, on_broken: str = "error"
) -> Decoded:
    """The photographs, scaled to image_size x image_size and mapped into memory.

    name: of the data set, for messages. on_broken: "skip" leaves broken photographs out. Decodes only what the cache does
    not hold; what it holds is checked.
    Raises DataError that names the first file that is broken and says how many more there are, under "skip" only where all
    are; DataError for a file that cannot be read at the moment; and WorkdirError where the cache cannot be read or written.
    """
    cache = cache_folder()
    files.refuse_foreign(cache, "LAMV_CACHE")
    job = Job(name, folder, photographs, image_size, cache / _key(folder, photographs, image_size))
    try:
        found = _finished(job)
        if found is None:
            for made in (cache.parent, cache):  # mkdir gives its mode to the last folder alone
                made.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(job):
                found = _finished(job) or _decoded(job, on_broken)  # another process may have finished it meanwhile
    except OSError as error:
        where = shown(error.filename or job.stem.parent)
        why = error.strerror or one_line(error)
        raise WorkdirError(
            f"{name}: the cache of decoded photographs, {where}, cannot be used ({why}); set LAMV_CACHE to a folder with"
            f" {_mib(job)} free"
        ) from error
    if found.broken and on_broken == "error":
        raise _refusal(job, found.broken)
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
        pixels, transparent = _on_white(image, image_size)
        frames = False
        # The first frame is whole, whatever follows it. is_animated looks no further than at the second.
        with contextlib.suppress(Exception):
            frames = bool(getattr(image, "is_animated", False))
    size = (width * height, width, height)
    return Square(pixels, Facts(int(transparent), int(frames), int(min(width, height) < image_size), size, size))


def _on_white(image: Image.Image, image_size: int) -> tuple[np.ndarray, bool]:
    """The middle square of an image on white, (image_size, image_size, 3), and whether the image has transparent pixels."""
    shape, bilinear = (image_size, image_size), Image.Resampling.BILINEAR
    if not image.has_transparency_data:
        return np.asarray(ImageOps.fit(image.convert("RGB"), shape, bilinear)), False
    # Pillow converts La to LA only.
    image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    if image.getextrema()[3][0] == 255:
        return np.asarray(ImageOps.fit(image.convert("RGB"), shape, bilinear)), False
    # Scaled with colours times alpha, so that colours that cannot be seen do not bleed into those that can.
    square = np.asarray(ImageOps.fit(image.convert("RGBa"), shape, bilinear)).astype(np.int32)
    return np.minimum(square[..., :3] + 255 - square[..., 3:], 255).astype(np.uint8), True


def _key(folder: Path, photographs: Sequence[Photograph], image_size: int) -> str:
    decoder = [LAYOUT, PIL.__version__, features.version("libjpeg_turbo") or features.version("jpg")]
    content = json.dumps([decoder, os.path.realpath(folder), image_size, photographs])
    return hashlib.sha256(content.encode()).hexdigest()


def _finished(job: Job) -> Decoded | None:
    """What the cache holds, once its bytes are found to have their digests; None where it holds nothing, or is damaged."""
    if not job.file(".json").exists() or not job.file(".npy").exists():
        return None
    # JSON or a header that was overwritten, a file that was cut off, a record of another form
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        record = files.read_json(job.file(".json"))
        files.check_is_file(job.file(".npy"))
        broken = {int(row): why for row, why in record["broken"].items()}
        pixels = np.load(job.file(".npy"), mmap_mode="r", allow_pickle=False)
        # A view of the base class: a memmap would hand its type on to whatever is computed from it.
        pixels = pixels.view(np.ndarray)
        shape = (len(job.photographs) - len(broken), *job.shape[1:])
        sound = record["seal"] == _seal(record) and record["sha256"] == _sha256(pixels)
        if pixels.dtype == np.uint8 and pixels.shape == shape and sound:
            return Decoded(pixels, record["sha256"], broken, _facts(record["facts"]))
    logger.warning("%s: the cached file %s is damaged; decoding the photographs again", job.name, job.file(".npy"))
    return None


def _opened(path: Path, flags: int, mode: str) -> IO:
    """A file of the cache that is written to, made where there is none; a link is not followed, a pipe not waited for."""
    try:
        files.check_is_file(path)
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    return open(os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o666), mode)


@contextlib.contextmanager
def _locked(job: Job) -> Iterator[None]:
    """Holds the job's lock, which the kernel lets go of however the process ends."""
    with _opened(job.file(".lock"), os.O_WRONLY | os.O_APPEND, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another process that decodes the photographs", job.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _decoded(job: Job, on_broken: str) -> Decoded:
    """Decodes what is not decoded yet, and finishes the cached file."""
    _check_space(job)
    logger.info("%s: decoding %d photographs, once, to %s", job.name, len(job.photographs), job.file(".npy"))
    data_file, done_file = job.file(".partial.npy"), job.file(".partial.jsonl")
    done = _done(done_file)
    whole, broken, facts = hashlib.sha256(), {}, Facts()
    with (
        _opened(data_file, os.O_RDWR, "r+b") as data,
        _opened(done_file, os.O_WRONLY | os.O_APPEND, "a") as record,
        _Progress(job) as progress,
    ):
        start = _write_header(data, job.shape)
        number = -(-len(job.photographs) // CHUNK)
        chunks = _in_threads(lambda index: _chunk(job, index, start, done.get(index)), number)
        with contextlib.closing(chunks):
            for index, chunk in enumerate(chunks):
                whole.update(chunk.pixels[_kept(chunk.broken, index * CHUNK, len(chunk.pixels))])
                broken |= chunk.broken
                facts = facts.joined(chunk.facts)
                if not chunk.stored:
                    data.seek(start + index * CHUNK * _row_bytes(job))
                    data.write(chunk.pixels)
                    data.flush()
                    record.write(json.dumps(_record_of(chunk, chunk=index)) + "\n")
                    record.flush()
                progress.advance(len(chunk.pixels))
        if broken and (on_broken == "error" or len(broken) == len(job.photographs)):
            # What was decoded goes: mended, the set has another key.
            data_file.unlink()
            done_file.unlink()
            raise _refusal(job, broken)
        if broken:
            _close_gaps(job, data, start, broken)
        os.fsync(data.fileno())
    # The record first: the file of pixels appears under its name only when that can be checked.
    found = Decoded(np.empty(0), whole.hexdigest(), broken, facts)
    files.write_whole(job.file(".json"), json.dumps(_record_of(found, folder=str(job.folder))))
    os.replace(data_file, job.file(".npy"))
    done_file.unlink()
    return found._replace(pixels=np.load(job.file(".npy"), mmap_mode="r", allow_pickle=False).view(np.ndarray))


def _chunk(job: Job, index: int, start: int, record: Mapping | None) -> Chunk:
    """The photographs of a chunk: read back if they are stored as that record says, otherwise decoded."""
    rows = range(index * CHUNK, min((index + 1) * CHUNK, len(job.photographs)))
    shape = (len(rows), *job.shape[1:])
    if record is not None:
        size, offset = len(rows) * _row_bytes(job), start + rows.start * _row_bytes(job)
        stored = np.fromfile(job.file(".partial.npy"), np.uint8, size, offset=offset)
        if len(stored) == size and _sha256(stored) == record["sha256"]:
            broken = {int(row): why for row, why in record["broken"].items()}
            return Chunk(stored.reshape(shape), record["sha256"], broken, _facts(record["facts"]), stored=True)
    pixels, broken, facts = np.zeros(shape, np.uint8), {}, Facts()
    for place, row in enumerate(rows):
        path = job.folder / job.photographs[row].name
        try:
            pixels[place], of_one = decode(path, job.image_size)
            facts = facts.joined(of_one)
        except UnidentifiedImageError:
            broken[row] = f"is no image of a kind that is read ({', '.join(FORMATS)})"
        # Each of Pillow's readers has its own ways to say that a file is damaged.
        except Exception as error:
            if isinstance(error, MemoryError) or getattr(error, "errno", None) in UNREADABLE:
                why = getattr(error, "strerror", None) or one_line(error)
                raise DataError(
                    f"{job.name}: {shown(path)}: cannot be read ({why}); mend that, and start again"
                ) from error
            broken[row] = f"cannot be decoded ({one_line(error)})"
    return Chunk(pixels, _sha256(pixels), broken, facts, stored=False)


def _kept(broken: Mapping[int, str], first: int, number: int) -> np.ndarray | slice:
    """Which of `number` rows from `first` on are not broken; a slice, which copies nothing, where all are whole."""
    if not broken:
        return np.s_[:]
    return np.array([row not in broken for row in range(first, first + number)])


def _close_gaps(job: Job, data: BinaryIO, start: int, broken: Mapping[int, str]) -> None:
    """Moves the photographs that are not broken together. If it is interrupted, chunks lose their digests, no more."""
    row_bytes, end = _row_bytes(job), start
    for first in range(0, len(job.photographs), CHUNK):
        number = min(CHUNK, len(job.photographs) - first)
        data.seek(start + first * row_bytes)
        pixels = np.frombuffer(data.read(number * row_bytes), np.uint8).reshape(number, row_bytes)
        pixels = pixels[
            _kept({row: broken[row] for row in range(first, first + number) if row in broken}, first, number)
        ]
        data.seek(end)
        data.write(pixels.tobytes())
        end += pixels.nbytes
    data.truncate(end)
    data.seek(0)
    if _write_header(data, (len(job.photographs) - len(broken), *job.shape[1:])) != start:
        raise AssertionError("an .npy header must not change its length with the number of rows")


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


def _refusal(job: Job, broken: Mapping[int, str]) -> DataError:
    """The error for the broken photograph that is first by name."""
    first = min(broken, key=lambda row: job.photographs[row].name)
    path = shown(job.folder / job.photographs[first].name)
    return DataError(
        f"{job.name}: {path} {broken[first]}{and_more(broken)}, of {len(job.photographs)} photographs; fetch or save them"
        " again, or --config.data.on_broken=skip leaves them out"
    )


def _check_space(job: Job) -> None:
    partial = job.file(".partial.npy")
    taken = partial.stat().st_blocks * 512 if partial.exists() else 0
    if shutil.disk_usage(job.stem.parent).free + taken < len(job.photographs) * _row_bytes(job):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(job.stem.parent))


def _done(file: Path) -> dict[int, Mapping]:
    """What was recorded of the chunks that are decoded; a line that was cut off or harmed is left out."""
    records, content = {}, b""
    with contextlib.suppress(FileNotFoundError, ValueError):
        content = files.read_bytes(file)
    for line in content.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            record = json.loads(line)
            if record["seal"] == _seal(record):
                records[record["chunk"]] = record
    return records


def _record_of(content: Chunk | Decoded, **more: int | str) -> dict[str, Any]:
    record = more | {"sha256": content.sha256, "broken": content.broken, "facts": content.facts}
    return record | {"seal": _seal(record)}


def _seal(record: Mapping[str, Any]) -> str:
    """The sha256 of a record without its seal."""
    content = {key: value for key, value in record.items() if key != "seal"}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _facts(values: Sequence) -> Facts:
    """Facts from JSON."""
    transparent, frames, enlarged, smallest, largest = values
    return Facts(transparent, frames, enlarged, tuple(smallest), tuple(largest))


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
