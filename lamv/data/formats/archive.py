"""Wanted files, by name, out of a folder or a .tar.gz; an archive is read member by member and never unpacked to disk.

Nothing of an archive touches the file system, so names with "..", absolute names and links cannot do harm; they are
refused all the same, because the official archives have none.
"""

import gzip
import tarfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from lamv.errors import DataError, one_line, shown
from lamv.files import kind_of

# The official archives unpack to 177 MiB and hold fewer than ten members.
MAX_BYTES = 1 << 28
MAX_MEMBERS = 64


def read_folder(folder: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """The bytes of those of the `wanted` file names that the folder holds.

    Raises DataError, naming the file, for what is there and no file, and beyond MAX_BYTES in all.
    """
    files = {}
    left = MAX_BYTES
    for name in wanted:
        path = folder / name
        if not path.is_file():
            if (kind := kind_of(path)) != "missing":
                raise DataError(f"{shown(path)} is {kind}; a file is needed")
            continue
        left -= path.stat().st_size
        if left < 0:
            raise DataError(f"{path}: with the files before it exceeds {MAX_BYTES} bytes; it is not an official one")
        files[name] = path.read_bytes()
    return files


def read_tar_gz(path: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """The bytes of those of the `wanted` members ("folder/name") that the archive holds.

    Reads the archive to its end, so that gzip's CRC covers all that is returned.
    Raises DataError, naming the archive, for damage, links, devices, names that lead outside, a wanted member that is
    there twice, more than MAX_MEMBERS members or MAX_BYTES bytes.
    """
    files: dict[str, bytes] = {}
    try:
        with _Capped(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for count, member in enumerate(tar, start=1):
                    name = _checked_name(path, member, count)
                    if name in files:
                        raise DataError(f"{path}: holds {name} twice; an official archive holds it once")
                    if name in wanted and member.isreg() and (content := tar.extractfile(member)):
                        files[name] = content.read()
            while stream.read(1 << 20):
                pass
    except Exception as error:  # gzip, zlib and tarfile raise errors of many classes
        if isinstance(error, DataError) or getattr(error, "errno", None):
            raise
        raise DataError(f"{path}: damaged .tar.gz ({one_line(error)}); fetch the file again") from error
    return files


def _checked_name(path: Path, member: tarfile.TarInfo, count: int) -> str:
    if count > MAX_MEMBERS:
        raise DataError(f"{path}: holds more than {MAX_MEMBERS} members; it is not an official archive")
    # A sparse member is mostly holes: a few bytes of archive become as many zeros as its header likes.
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise DataError(f"{path}: member {member.name!r} is a link, device or sparse file; only plain files are read")
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"{path}: member {member.name!r} leads outside the archive; it is not an official archive")
    return str(name)


class _Capped(gzip.GzipFile):
    """It refuses to give more than MAX_BYTES: a gzip file can grow a thousandfold."""

    _given = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._given += len(data)
        if self._given > MAX_BYTES:
            raise DataError(f"{self.name}: unpacks to more than {MAX_BYTES} bytes; it is not an official archive")
        return data
