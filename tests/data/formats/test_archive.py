"""Archives: members that are hostile or too many, bombs, damage."""

import gzip
import io
import tarfile

import numpy as np
import pytest
from cifar_files import BINARY, contents, in_folder, member, write_archive, write_folder

from lamv.data.formats import archive

HOSTILE = {
    "parent": (member(f"{BINARY}/../../evil"), "leads outside"),
    "absolute": (member("/tmp/evil"), "leads outside"),
    "symlink": (member(f"{BINARY}/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "hard link": (member(f"{BINARY}/link", tarfile.LNKTYPE, f"{BINARY}/test_batch.bin"), "is a link"),
    "device": (member(f"{BINARY}/null", tarfile.CHRTYPE), "device"),
    "pipe": (member(f"{BINARY}/pipe", tarfile.FIFOTYPE), "device"),
    "twice": (member(f"{BINARY}/test_batch.bin"), "twice"),
    "twice, spelt otherwise": (member(f"{BINARY}//./test_batch.bin"), "twice"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_member(tmp_path, refused, kind):
    extra, *words = HOSTILE[kind]
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY), extra)
    refused("cifar10", path, path, *words)
    assert list(tmp_path.iterdir()) == [path]


def test_sparse_member(tmp_path, refused):
    # One stored block, said to lie at the start of 1 TiB of zeros.
    sparse = member(f"{BINARY}/test_batch.bin", tarfile.GNUTYPE_SPARSE)
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"00000000000\0" + b"00000001000\0"
    header[483:495] = b"\x80" + (1 << 40).to_bytes(11, "big")
    header[124:136] = b"00000001000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(header) + bytes(512 * 21)))
    refused("cifar10", path, path, "sparse")


def gnu_sparse(size: str) -> bytes:
    """A tar whose sparse member has a size that is no number."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        sparse = member(f"{BINARY}/test_batch.bin")
        sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": size}
        tar.addfile(sparse)
    return file.getvalue()


def test_too_many_members(tmp_path, refused):
    extra = [member(f"{BINARY}/{i}") for i in range(archive.MAX_MEMBERS)]
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY), *extra)
    refused("cifar10", path, path, "more than 64 members")


def test_bomb(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY) | {"readme": bytes(2 << 20)})
    refused("cifar10", path, path, "more than 1048576 bytes")
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY))
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(2 << 20)))
    refused("cifar10", path, path, "more than 1048576 bytes")
    monkeypatch.setattr(archive, "MAX_BYTES", 5000)
    refused("cifar10", write_folder(tmp_path / BINARY, contents(BINARY)), BINARY, "exceeds 5000 bytes")


@pytest.mark.parametrize("damage", [
    lambda raw: b"",
    lambda raw: b"no archive",
    lambda raw: raw[: len(raw) // 2],
    lambda raw: raw[:-4],
    lambda raw: raw[:-8] + bytes(8),
    lambda raw: gzip.compress(b"no archive"),
    lambda raw: gzip.compress(gzip.decompress(raw)[:30_000]),
    lambda raw: gzip.compress(b"x" + bytes(511) + gzip.decompress(raw)),
    lambda raw: gzip.compress(gnu_sparse("x")),
])  # fmt: skip
def test_damaged_archive(tmp_path, refused, damage):
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY))
    path.write_bytes(damage(path.read_bytes()))
    refused("cifar10", path, path)


def test_every_flipped_byte_of_an_archive_is_noticed(tmp_path, refused):
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY))
    raw = path.read_bytes()
    for position in np.random.default_rng(0).integers(30, len(raw), 30):
        path.write_bytes(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :])
        refused("cifar10", path, path)
