"""Photographs decoded once, and kept.

In $LAMV_CACHE/images, or $XDG_CACHE_HOME/lamv/images, or ~/.cache/lamv/images (mode 0700), a set of photographs at one size
has the files below. NAME is a sha256 over the folder, the names, sizes and times of the photographs in order, image_size and
the version of the decoder; so a photograph that changed in place with neither another size nor another time goes unnoticed.

NAME.pixels    uint8 (N, image_size, image_size, 3) without a header; broken photographs take no room
NAME.jsonl     for each CHUNK photographs, written after their pixels: facts of each, or why it is broken; the sha256 of all
               pixels so far; the sha256 of this record
NAME.lock      held while decoding; another process waits, and then reads the result

Every load checks the chunks in order and decodes from the first that does not match its digests: the rest after a kill or a
full disk, and whatever follows a damaged chunk. Pixels are overwritten in place by the same ones, and the file is never cut
off, since another process may have mapped it. Threads decode, not processes, which would start beside JAX's own threads:
Pillow releases Python's lock meanwhile. The folder may be removed whenever no run uses it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import PIL
from PIL import features

from lamv import files
from lamv.data.photographs.decode import Facts, attempt
from lamv.errors import DataError, WorkdirError, and_more, one_line, shown

Outcome = Facts | str  # of a photograph, or why it is broken

CHUNK = 256  # photographs that are decoded between two writes
LAYOUT = 3  # of the files; raised whenever the pixels that decode makes change
MOST_THREADS = 16
SECONDS_BETWEEN_LINES = 10.0

logger = logging.getLogger("lamv.data")


class Job(NamedTuple):
    """What to decode, and the path of its files in the cache without their endings.

    photographs: their names relative to `folder`, sizes in bytes and times of modification in ns.
    """

    name: str
    folder: Path
    photographs: Sequence[tuple[str, int, int]]
    image_size: int
    path: Path

    @property
    def row_bytes(self) -> int:
        """Bytes of one photograph."""
        return self.image_size**2 * 3


def read(
    name: str, folder: Path, photographs: Sequence[tuple[str, int, int]], image_size: int, on_broken: str = "error"
) -> tuple[np.ndarray, str, list[Outcome]]:
    """The photographs that are not broken, (N, image_size, image_size, 3) uint8, mapped; the sha256 of their bytes; and the
    facts of each photograph, or why it is broken. Decodes only what the cache lacks.

    name: of the data set, for messages. photographs: see Job. on_broken: "skip" leaves broken photographs out.
    Raises DataError that names the first broken file and counts the others, under "skip" only where all are broken;
    DataError for a file that cannot be read at the moment; and WorkdirError where the cache cannot be read or written.
    """
    cache = files.user_cache() / "images"
    files.refuse_foreign(cache, "LAMV_CACHE")
    decoder = [LAYOUT, PIL.__version__, features.version("libjpeg_turbo") or features.version("jpg")]
    key = json.dumps([decoder, os.path.realpath(folder), image_size, photographs]).encode()
    job = Job(name, folder, photographs, image_size, cache / hashlib.sha256(key).hexdigest())
    try:
        outcomes, digest, *_ = _kept(job)
        if len(outcomes) < len(photographs):
            files.private_folder("images")
            with _locked(job):
                outcomes, digest = _completed(job)
        broken = {index: why for index, why in enumerate(outcomes) if isinstance(why, str)}
        if broken and (on_broken == "error" or len(broken) == len(photographs)):
            first = min(broken, key=lambda index: photographs[index])
            raise DataError(
                f"{name}: {shown(folder / photographs[first][0])} {broken[first]}{and_more(broken)}, of {len(photographs)}"
                " photographs; fetch or save them again, or --config.data.on_broken=skip leaves them out"
            )
        shape = (len(photographs) - len(broken), image_size, image_size, 3)
        pixels = np.memmap(job.path.with_suffix(".pixels"), np.uint8, "r", shape=shape)
    except OSError as error:
        where, why = shown(error.filename or cache), error.strerror or one_line(error)
        raise WorkdirError(
            f"{name}: the cache of decoded photographs, {where}, cannot be used ({why}); set LAMV_CACHE to a folder with"
            f" {len(photographs) * job.row_bytes / 2**20:.0f} MiB free"
        ) from error
    # A view of the base class: a memmap would hand its type on to whatever is computed from it.
    return pixels.view(np.ndarray), digest.hexdigest(), outcomes


def _kept(job: Job) -> tuple[list[Outcome], Any, int, bool]:
    """What the cache holds: outcomes from the first photograph on, the running sha256 of their pixels, the bytes of their
    records; and whether more follows, which does not match its digests."""
    outcomes, digest, size, content = [], hashlib.sha256(), 0, b""
    # Files that are not there or not files, records that were overwritten or are of another form.
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        content = files.read_bytes(job.path.with_suffix(".jsonl"))
        files.check_is_file(job.path.with_suffix(".pixels"))
        with open(job.path.with_suffix(".pixels"), "rb") as pixels:
            for line in content.split(b"\n")[:-1]:
                record, further = json.loads(line), digest.copy()
                if record["self"] != files.hash_of(record):
                    break
                whole = sum(not isinstance(of, str) for of in record["photographs"])
                further.update(pixels.read(whole * job.row_bytes))
                if record["sha256"] != further.hexdigest():
                    break
                outcomes += record["photographs"]
                digest, size = further, size + len(line) + 1
    return outcomes, digest, size, size < len(content)


def _completed(job: Job) -> tuple[list[Outcome], Any]:
    """Decodes what the cache lacks. Returns the outcomes of all photographs, and the sha256 of their pixels."""
    outcomes, digest, size, damaged = _kept(job)
    path, left = job.path.with_suffix(".pixels"), len(job.photographs) - len(outcomes)
    if not left:  # another process has finished it meanwhile
        return outcomes, digest
    if damaged:
        logger.warning("%s: the cached file %s is damaged; decoding %d photographs again", job.name, path, left)
    taken = path.stat().st_blocks * 512 if path.exists() else 0
    if shutil.disk_usage(path.parent).free + taken < len(job.photographs) * job.row_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent))
    logger.info("%s: decoding %d photographs, once, to %s", job.name, left, path)
    with (
        _opened(path) as pixels,
        _opened(job.path.with_suffix(".jsonl")) as records,
        contextlib.closing(_attempts(job, len(outcomes))) as attempts,
    ):
        pixels.seek(job.row_bytes * sum(not isinstance(of, str) for of in outcomes))
        records.truncate(records.seek(size))
        for chunk in attempts:
            squares = b"".join(of[0].tobytes() for of in chunk if not isinstance(of, str))
            pixels.write(squares)
            pixels.flush()
            digest.update(squares)
            seen = [of if isinstance(of, str) else of[1] for of in chunk]
            record = {"photographs": seen, "sha256": digest.hexdigest()}
            records.write(json.dumps(record | {"self": files.hash_of(record)}).encode() + b"\n")
            records.flush()
            outcomes += seen
    return outcomes, digest


def _attempts(job: Job, begin: int) -> Generator[list]:
    """What `attempt` returns for each CHUNK photographs from `begin` on; the next are being decoded meanwhile."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool, total = ThreadPoolExecutor(min(cores, MOST_THREADS)), len(job.photographs)
    start = last = time.monotonic()

    def begun(first: int) -> Iterator:
        paths = [job.folder / name for name, *_ in job.photographs[first : first + CHUNK]]
        return pool.map(lambda path: attempt(job.name, path, job.image_size), paths)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, and of sizes that decode refuses
        ahead = begun(begin)
        try:
            for first in range(begin, total, CHUNK):
                outcomes, ahead = ahead, begun(first + CHUNK)
                yield list(outcomes)
                now, done = time.monotonic(), min(first + CHUNK, total)
                if now - last >= SECONDS_BETWEEN_LINES:
                    last, left = now, (now - start) / (done - begin) * (total - done)
                    logger.info("%s: %d of %d photographs decoded, about %.0f s left", job.name, done, total, left)
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _locked(job: Job) -> Generator[None]:
    """Holds the job's lock, which the kernel releases however the process ends."""
    with _opened(job.path.with_suffix(".lock")) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another process that decodes the photographs", job.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _opened(path: Path) -> IO[bytes]:
    """A file of the cache, made where there is none; links are not followed, pipes not waited for."""
    try:
        files.check_is_file(path)
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+b")
