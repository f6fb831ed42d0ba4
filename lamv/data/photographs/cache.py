"""Photographs decoded once, and kept.

Threads decode, for Pillow releases Python's lock meanwhile: no processes are started beside JAX's threads. The result is
the same bytes for any number of threads.

The cache is one .npy file of uint8 (N, image_size, image_size, 3) for each set of photographs and size, in
$LAMV_CACHE/images, or $XDG_CACHE_HOME/lamv/images, or ~/.cache/lamv/images (mode 0700). Its name is a sha256 over the
folder, the names, sizes and times of the files in order, image_size and the version of the decoder; so a photograph that
changed in place with neither another size nor another time goes unnoticed. Beside it:

NAME.json           sha256 of the pixels, checked at every load; the broken photographs and why; Facts of the others; a seal,
                    the sha256 of all that; written when all are decoded
NAME.partial.npy    chunks of CHUNK photographs, one after the other, while some are still to be decoded
NAME.partial.jsonl  where each decoded chunk begins, and its sha256, broken and Facts; an interrupted decoding continues
                    from there, and whatever does not match its sha256 is decoded again
NAME.lock           held while decoding; another process waits, and then reads the result

Broken photographs take no room in the arrays. A photograph that cannot be read at the moment (permissions, a disk that
fails, memory that is short) ends the decoding; it never counts as broken.

Only unfinished work is ever deleted; the folder may be removed whenever no run uses it.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import itertools
import json
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import PIL
from PIL import Image, features
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lamv import files
from lamv.data.photographs.decode import Facts, Square, decode, reason
from lamv.errors import DataError, WorkdirError, and_more, one_line, shown

CHUNK = 256  # photographs that are decoded between two writes
HEADER = 128  # bytes before the pixels: numpy pads the header, so that any number of photographs fits in
LAYOUT = 2  # of the files; raised whenever the pixels that decode makes change
MOST_THREADS = 16
SECONDS_BETWEEN_LINES = 10.0

logger = logging.getLogger("lamv.data")


class Photograph(NamedTuple):
    """A file, by its name relative to a folder, with its size in bytes and its time of modification in ns."""

    name: str
    size: int
    modified: int


class Decoded(NamedTuple):
    """The photographs that are not broken, (N, S, S, 3) uint8, with the sha256 of their bytes and their facts.

    broken: why the others are, by their index in the set, ascending.
    """

    pixels: np.ndarray
    sha256: str
    broken: dict[int, str]
    facts: Facts


class Job(NamedTuple):
    """What to decode, and where it is kept: `stem` is the path of all its files without their endings."""

    name: str
    folder: Path
    photographs: Sequence[Photograph]
    image_size: int
    stem: Path

    @property
    def row_bytes(self) -> int:
        """Bytes of one square."""
        return self.image_size**2 * 3

    def file(self, ending: str) -> Path:
        """The path of a file of the cache."""
        return self.stem.with_name(self.stem.name + ending)

    def squares(self, pixels: Any) -> np.ndarray:
        """Pixels as (N, S, S, 3) uint8."""
        return np.asarray(pixels, np.uint8).reshape(-1, self.image_size, self.image_size, 3)


def read(
    name: str, folder: Path, photographs: Sequence[Photograph], image_size: int, on_broken: str = "error"
) -> Decoded:
    """The photographs, scaled to image_size x image_size and mapped into memory; decodes only what the cache lacks.

    name: of the data set, for messages. on_broken: "skip" leaves broken photographs out.
    Raises DataError that names the first broken file and counts the others, under "skip" only where all are broken;
    DataError for a file that cannot be read at the moment; and WorkdirError where the cache cannot be read or written.
    """
    cache = files.user_cache() / "images"
    files.refuse_foreign(cache, "LAMV_CACHE")
    job = Job(name, folder, photographs, image_size, cache / _key(folder, photographs, image_size))
    try:
        decoded = _finished(job)
        if decoded is None:
            for made in (cache.parent, cache):  # mkdir gives its mode to the last folder alone
                made.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(job):
                decoded = _finished(job) or _decoded(job, on_broken)  # another process may have finished it meanwhile
    except OSError as error:
        where = shown(error.filename or job.stem.parent)
        why = error.strerror or one_line(error)
        raise WorkdirError(
            f"{name}: the cache of decoded photographs, {where}, cannot be used ({why}); set LAMV_CACHE to a folder with"
            f" {len(photographs) * job.row_bytes / 2**20:.0f} MiB free"
        ) from error
    if decoded.broken and on_broken == "error":
        raise _refusal(job, decoded.broken)
    return decoded


def _key(folder: Path, photographs: Sequence[Photograph], image_size: int) -> str:
    decoder = [LAYOUT, PIL.__version__, features.version("libjpeg_turbo") or features.version("jpg")]
    content = json.dumps([decoder, os.path.realpath(folder), image_size, photographs])
    return hashlib.sha256(content.encode()).hexdigest()


def _finished(job: Job) -> Decoded | None:
    """What the cache holds, once its digests are checked; None where it holds nothing, or is damaged."""
    if not job.file(".json").exists() or not job.file(".npy").exists():
        return None
    # JSON or a header that was overwritten, a file that was cut off, a record of another form
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        decoded = _of_record(files.read_json(job.file(".json")), _mapped(job))
        shape = (len(job.photographs) - len(decoded.broken), job.image_size, job.image_size, 3)
        pixels = decoded.pixels
        if pixels.dtype == np.uint8 and pixels.shape == shape and decoded.sha256 == _sha256(pixels.data):
            return decoded
    logger.warning("%s: the cached file %s is damaged; decoding the photographs again", job.name, job.file(".npy"))
    return None


def _mapped(job: Job) -> np.ndarray:
    files.check_is_file(job.file(".npy"))
    # A view of the base class: a memmap would hand its type on to whatever is computed from it.
    return np.load(job.file(".npy"), mmap_mode="r", allow_pickle=False).view(np.ndarray)


def _opened(path: Path, flags: int, mode: str) -> IO:
    """A file of the cache, open for writing and made where there is none; links are not followed, pipes not waited for."""
    try:
        files.check_is_file(path)
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    return open(os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o666), mode)


@contextlib.contextmanager
def _locked(job: Job) -> Generator[None]:
    """Holds the job's lock, which the kernel releases however the process ends."""
    with _opened(job.file(".lock"), os.O_WRONLY | os.O_APPEND, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another process that decodes the photographs", job.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _decoded(job: Job, on_broken: str) -> Decoded:
    """Decodes what is not decoded yet, and finishes the cached file."""
    partial, journal = job.file(".partial.npy"), job.file(".partial.jsonl")
    taken = partial.stat().st_blocks * 512 if partial.exists() else 0
    if shutil.disk_usage(job.stem.parent).free + taken < len(job.photographs) * job.row_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(job.stem.parent))
    logger.info("%s: decoding %d photographs, once, to %s", job.name, len(job.photographs), job.file(".npy"))
    digest, broken, facts, end = hashlib.sha256(), {}, Facts(), HEADER
    with (
        _opened(partial, os.O_RDWR, "r+b") as data,
        _opened(journal, os.O_WRONLY | os.O_APPEND, "a") as records,
        _progress(job) as advance,
        contextlib.closing(_chunks(job, _records(journal))) as chunks,
    ):
        for index, (chunk, start) in enumerate(chunks):
            if start != end:
                data.seek(end)
                data.write(chunk.pixels)
                data.flush()
                records.write(json.dumps(_record_of(chunk, chunk=index, start=end)) + "\n")
                records.flush()
            end += chunk.pixels.nbytes
            digest.update(chunk.pixels.data)
            broken |= chunk.broken
            facts = facts.joined(chunk.facts)
            advance(min(CHUNK, len(job.photographs) - index * CHUNK))
        number = len(job.photographs) - len(broken)
        if broken and (on_broken == "error" or not number):
            # What was decoded goes: mended, the set has another key.
            partial.unlink()
            journal.unlink()
            raise _refusal(job, broken)
        data.truncate(end)
        data.seek(0)
        shape = (number, job.image_size, job.image_size, 3)
        np.lib.format.write_array_header_1_0(data, {"descr": "|u1", "fortran_order": False, "shape": shape})
        assert data.tell() == HEADER, "an .npy header must not change its length with the number of photographs"
        os.fsync(data.fileno())
    # The record first: the file of pixels appears under its name only when that can be checked.
    decoded = Decoded(np.empty(0), digest.hexdigest(), broken, facts)
    files.write_whole(job.file(".json"), json.dumps(_record_of(decoded, folder=str(job.folder))))
    os.replace(partial, job.file(".npy"))
    journal.unlink()
    return decoded._replace(pixels=_mapped(job))


def _chunks(job: Job, records: Mapping[int, tuple[int, Decoded]]) -> Generator[tuple[Decoded, int]]:
    """The chunks in order, each with where it is stored already, -1 for nowhere; the next is being decoded meanwhile."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Pillow warns of odd metadata, and of sizes short of its own limit; the former is no matter, the latter is broken.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(cores, MOST_THREADS)) as pool:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)

        def begun(first: int) -> tuple[Decoded, int] | Iterator[Square | str]:
            stored = _stored(job, first, *records[first // CHUNK]) if first // CHUNK in records else None
            return stored or pool.map(functools.partial(attempt, job), job.photographs[first : first + CHUNK])

        firsts = range(0, len(job.photographs), CHUNK)
        try:
            for first, (chunk, _) in zip(
                firsts, itertools.pairwise(itertools.chain(map(begun, firsts), [iter(())])), strict=True
            ):
                yield (_joined(job, first, list(chunk)), -1) if isinstance(chunk, Iterator) else chunk
        finally:
            pool.shutdown(cancel_futures=True)


def _stored(job: Job, first: int, start: int, record: Decoded) -> tuple[Decoded, int] | None:
    """The chunk that begins with the photograph `first`, if its bytes from `start` on are those of its record."""
    number = len(job.photographs[first : first + CHUNK]) - len(record.broken)
    pixels = np.fromfile(job.file(".partial.npy"), np.uint8, number * job.row_bytes, offset=start)
    if len(pixels) == number * job.row_bytes and _sha256(pixels.data) == record.sha256:
        return record._replace(pixels=job.squares(pixels)), start
    return None


def attempt(job: Job, photograph: Photograph) -> Square | str:
    """A decoded photograph, or why it is broken. Raises DataError where it cannot be read at the moment."""
    path = job.folder / photograph.name
    try:
        return decode(path, job.image_size)
    except Exception as error:  # each of Pillow's readers has its own ways to say that a file is damaged
        why = reason(error)
        if why is None:
            now = getattr(error, "strerror", None) or one_line(error)
            raise DataError(f"{job.name}: {shown(path)}: cannot be read ({now}); mend that, and start again") from error
        return why


def _joined(job: Job, first: int, outcomes: Sequence[Square | str]) -> Decoded:
    whole = [square for square in outcomes if isinstance(square, Square)]
    pixels = job.squares([square.pixels for square in whole])
    broken = {index: why for index, why in enumerate(outcomes, first) if isinstance(why, str)}
    facts = functools.reduce(Facts.joined, (square.facts for square in whole), Facts())
    return Decoded(pixels, _sha256(pixels.data), broken, facts)


def _refusal(job: Job, broken: Mapping[int, str]) -> DataError:
    """The error for the broken photograph that is first by name."""
    first = min(broken, key=lambda index: job.photographs[index].name)
    path = shown(job.folder / job.photographs[first].name)
    return DataError(
        f"{job.name}: {path} {broken[first]}{and_more(broken)}, of {len(job.photographs)} photographs; fetch or save them"
        " again, or --config.data.on_broken=skip leaves them out"
    )


def _records(journal: Path) -> dict[int, tuple[int, Decoded]]:
    """Where each decoded chunk begins, and its record; a line that was cut off or harmed is left out."""
    records, content = {}, b""
    with contextlib.suppress(FileNotFoundError, ValueError):
        content = files.read_bytes(journal)
    for line in content.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            record = json.loads(line)
            records[record["chunk"]] = record["start"], _of_record(record, np.empty(0))
    return records


def _record_of(decoded: Decoded, **more: int | str) -> dict[str, Any]:
    """What is kept beside the pixels, as JSON can hold it."""
    record = more | {"sha256": decoded.sha256, "broken": decoded.broken, "facts": decoded.facts}
    return record | {"seal": _seal(record)}


def _of_record(record: Mapping[str, Any], pixels: np.ndarray) -> Decoded:
    """The inverse of `_record_of`. Raises ValueError, KeyError, TypeError or AttributeError for another form or seal."""
    if record["seal"] != _seal(record):
        raise ValueError("the record was changed")
    broken = {int(index): why for index, why in record["broken"].items()}
    return Decoded(pixels, record["sha256"], broken, Facts(*record["facts"][:3], *map(tuple, record["facts"][3:])))


def _seal(record: Mapping[str, Any]) -> str:
    """The sha256 of a record without its seal."""
    content = {key: value for key, value in record.items() if key != "seal"}
    return _sha256(json.dumps(content).encode())


def _sha256(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def _progress(job: Job) -> Generator[Callable[[int], None]]:
    """Shows how many photographs are decoded: a bar on a terminal, elsewhere a line every few seconds."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        total, last = len(job.photographs), time.monotonic()
        task = bars.add_task(f"{job.name}: decoding", total=total)

        def advance(number: int) -> None:
            nonlocal last
            bars.advance(task, number)
            if bars.disable and time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                logger.info("%s: %d of %d photographs decoded", job.name, bars.tasks[0].completed, total)

        yield advance
