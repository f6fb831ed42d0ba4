"""The cache of decoded photographs: broken and hostile ones, interruptions, damage, other users and processes."""

import fcntl
import hashlib
import io
import json
import os
import resource
import stat
import struct
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from lamv import data
from lamv.data.photographs import cache as photograph_cache
from lamv.data.photographs import decode as decoder
from lamv.data.photographs.decode import attempt, decode
from lamv.errors import DataError, WorkdirError


@pytest.fixture
def folder(tmp_path, photograph):
    """A data set of 5 chunks of 4 photographs, in four class folders, and how often a photograph was decoded."""
    for index in range(20):
        photograph(tmp_path / "set" / "abcd"[index % 4] / f"{index:02}.png", index, width=9 + index)
    return tmp_path / "set"


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that were decoded, in any order. Chunks are of 4."""
    monkeypatch.setattr(photograph_cache, "CHUNK", 4)
    names, original = [], decode

    def counted(path, image_size):
        names.append(path.name)
        return original(path, image_size)

    monkeypatch.setattr(decoder, "decode", counted)
    return names


def load(folder, image_size=8, **options):
    return data.load("image_folder", folder, image_size=image_size, **options)


def square(path, image_size):
    return decode(path, image_size)[0]


def pixels(folder, image_size=8):
    return load(folder, image_size).parts["all"].inputs


def test_what_photographs_are_like_is_noted_and_kept(folder, cache, decoded):
    Image.new("RGBA", (8, 8)).save(folder / "a" / "00.png")
    frames = [Image.new("RGB", (100, 50), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "b" / "01.png", save_all=True, append_images=frames[1:])
    notes = load(folder).notes
    assert notes[1:] == (
        "photographs of 8x8 to 100x50 pixels, their middle squares scaled to 8x8",
        "transparent pixels, in 1 of 20 photographs, were composited on white",
        "of several frames or pages, in 1 of 20 photographs, the first was read",
    )
    assert load(folder).notes == notes and len(decoded) == 20
    assert load(folder, 11).notes[1].endswith("scaled to 11x11; 19 of 20 are smaller and were enlarged")


def test_photographs_of_the_size_asked_for_need_no_note(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "1.png")
    assert not any("pixels" in note for note in load(tmp_path).notes)


# Broken and hostile files


def broken_bytes(kind, folder):
    path = folder / "whole"
    if kind in ("truncated jpeg", "truncated png"):
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(path, kind.split()[1])
        return path.read_bytes()[:-600]
    if kind == "16 bits":
        Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(path, "png")
    if kind in ("too large", "much too large"):
        Image.new("1", (9_000, 9_000) if kind == "too large" else (15_000, 15_000)).save(path, "png")
    if kind == "postscript":
        Image.new("RGB", (4, 4)).save(path, "eps")
    return path.read_bytes() if path.exists() else {"empty": b"", "text": b"hello, world"}[kind]


BROKEN = {
    "truncated jpeg": "cannot be decoded",
    "truncated png": "cannot be decoded",
    "empty": "is no image of a kind",
    "text": "JPEG, PNG",
    "postscript": "is no image of a kind",
    "16 bits": "at most 8 bits a channel are read, save it with 8",
    "too large": "9000x9000",
    "much too large": "cannot be decoded",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_photographs(refused, folder, cache, kind):
    content = broken_bytes(kind, folder.parent)
    for name in ("b/17.png", "a/04.png", "d/19.png"):
        (folder / name).write_bytes(content)
    refused("image_folder", folder, "a/04.png", "(and 2 more), of 20", BROKEN[kind])
    for name in ("b/17.png", "d/19.png"):
        (folder / name).unlink()
    assert "more" not in refused("image_folder", folder, "a/04.png", "of 18")


def chunk_of_png(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def hostile_bytes(kind, folder):
    image, path = Image.new("RGB", (16, 16), (1, 2, 3)), folder / "whole"
    if kind == "one byte":
        return b"\x89"
    if kind == "text that grows":
        image.save(path, "png")
        raw = path.read_bytes()
        bomb = chunk_of_png(b"zTXt", b"key\0\0" + zlib.compress(bytes(200 << 20), 1))
        return raw[:33] + bomb + raw[33:]
    if kind == "many texts":
        image.save(path, "png")
        raw = path.read_bytes()
        text = chunk_of_png(b"iTXt", b"key\0\1\0\0\0" + zlib.compress(bytes(1 << 20)))
        return raw[:33] + text * 70 + raw[33:]
    if kind == "a size that is not there":
        image.save(path, "png")
        raw = bytearray(path.read_bytes())
        raw[16:24] = struct.pack(">2I", 1 << 30, 1 << 30)
        raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
        return bytes(raw)
    if kind == "tiff that goes around":
        image.save(path, "tiff")
        raw = bytearray(path.read_bytes())
        (first,) = struct.unpack("<I", raw[4:8])
        (number,) = struct.unpack("<H", raw[first : first + 2])
        at = first + 2 + 12 * number
        raw[at : at + 4] = struct.pack("<I", first)
        return bytes(raw)
    if kind == "tiff of billions":
        # width, height, and strips of 2^31 counts that would lie behind the end of the file
        tags = [
            (256, 4, 1, 16),
            (257, 4, 1, 16),
            (273, 4, 1 << 31, 8),
            (279, 4, 1 << 31, 8),
            (258, 3, 1, 8),
            (262, 3, 1, 1),
        ]
        entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
        return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    if kind == "a million frames":
        image.convert("P").save(path, "gif")
        raw = path.read_bytes()
        frame = b"," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
        return raw[:-1] + frame * 1_000_000 + b";"
    raise AssertionError(kind)


HOSTILE = {
    "one byte": "is no image of a kind",
    "text that grows": "cannot be decoded",
    "many texts": "cannot be decoded",
    "a size that is not there": "cannot be decoded",
    "tiff that goes around": None,
    "tiff of billions": "is no image of a kind",
    "a million frames": None,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_photographs(folder, refused, kind):
    (folder / "a" / "04.png").write_bytes(hostile_bytes(kind, folder.parent))
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    if HOSTILE[kind]:
        refused("image_folder", folder, "a/04.png", HOSTILE[kind])
    else:
        assert len(pixels(folder)) == 20
    assert time.monotonic() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 400 << 10, "KiB"


def test_a_file_that_is_too_large_is_not_read(folder, refused):
    with open(folder / "a" / "04.png", "wb") as file:
        file.truncate(1 << 40)
    refused("image_folder", folder, "a/04.png", f"{1 << 40} bytes; at most {1 << 29} are read")


def saved(ending):
    noise = np.random.default_rng(0).integers(0, 256, (6, 9, 4), np.uint8)
    image = Image.fromarray(noise).convert({"jpeg": "RGB", "bmp": "RGB", "gif": "P"}.get(ending, "RGBA"))
    file = io.BytesIO()
    image.save(file, ending)
    return file.getvalue()


WHOLE = {ending: saved(ending) for ending in ("png", "jpeg", "gif", "tiff", "webp", "bmp")}


@hypothesis.settings(max_examples=150, deadline=None, derandomize=True)
@hypothesis.given(ending=st.sampled_from(sorted(WHOLE)), random=st.randoms(use_true_random=False))
def test_any_change_of_a_photograph_is_one_line_or_a_photograph(tmp_path_factory, ending, random):
    content = bytearray(WHOLE[ending])
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(content))
        change = random.choice(("flip", "set", "cut", "add"))
        if change == "flip":
            content[at] ^= 1 << random.randrange(8)
        elif change == "set":
            content[at : at + 4] = random.choice((bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", random.randbytes(4)))
        elif change == "cut":
            del content[at : at + random.randint(1, 30)]
            content = content or bytearray(b"\0")
        else:
            content[at:at] = random.randbytes(random.randint(1, 30))
    folder = tmp_path_factory.mktemp("set")
    (folder / "1").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = attempt("x", folder / "1", 4)
    if isinstance(outcome, str):
        assert outcome.startswith(("is no image", "cannot be decoded (")) and "\n" not in outcome
    else:
        assert outcome[0].shape == (4, 4, 3)


# Broken photographs that are left out


@pytest.fixture
def broken(folder):
    """The folder with three broken photographs, 3 of 20: an empty one, one that is cut off, and one with 16 bits."""
    (folder / "a" / "04.png").write_bytes(b"")
    whole = (folder / "b" / "17.png").read_bytes()
    (folder / "b" / "17.png").write_bytes(whole[:-30])
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(folder / "d" / "07.png")
    return folder


LEFT_OUT = (
    "a/04.png: is no image",
    "b/17.png: cannot be decoded (",
    "d/07.png: cannot be decoded (ValueError: pixels of mode I;16",
)


def check_left_out(folder, splits):
    """All but the broken ones, with their labels and their places in the listing."""
    files = sorted(folder.glob("*/*.png"))
    names = [f"{file.parent.name}/{file.name}" for file in files]
    kept = [row for row, name in enumerate(names) if name not in ("a/04.png", "b/17.png", "d/07.png")]
    part = splits.parts["all"]
    assert part.ids.tolist() == kept and part.labels.tolist() == ["abcd".index(names[row][0]) for row in kept]
    for inputs, row in zip(part.inputs, kept, strict=True):
        np.testing.assert_array_equal(inputs, square(files[row], 8))
    assert all(line.startswith(start) for line, start in zip(splits.left_out, LEFT_OUT, strict=True))
    assert "3 of 20 photographs were left out (data.on_broken=skip): a/04.png, b/17.png, d/07.png" in splits.notes
    assert splits.sources[-1].sha256 == hashlib.sha256(np.ascontiguousarray(part.inputs)).hexdigest()


def test_broken_photographs_are_left_out(broken, decoded, cache, caplog):
    check_left_out(broken, load(broken, on_broken="skip"))
    assert "image_folder: left out: a/04.png: is no image" in caplog.text and "(and 2 more)" in caplog.text
    assert len(decoded) == 20
    (file,) = cache.glob("*.pixels")
    assert file.stat().st_size == 17 * 8 * 8 * 3, "broken photographs take no room"
    caplog.clear()
    check_left_out(broken, load(broken, on_broken="skip"))
    assert "left out: a/04.png: is no image" in caplog.text and len(decoded) == 20


def test_what_was_left_out_is_refused_where_all_are_asked_for(broken, decoded, refused):
    line = refused(
        "image_folder", broken, "a/04.png", "(and 2 more), of 20", "--config.data.on_broken=skip", image_size=8
    )
    check_left_out(broken, load(broken, on_broken="skip"))
    assert refused("image_folder", broken, image_size=8) == line and len(decoded) == 20


def test_a_whole_set_is_the_same_either_way(folder, decoded):
    first, second = load(folder), load(folder, on_broken="skip")
    assert (
        first.sources == second.sources and first.notes == second.notes and not second.left_out and len(decoded) == 20
    )


@pytest.mark.parametrize("damage", ["nothing", "pixels", "torn line"])
@pytest.mark.parametrize("chunks", [1, 3])
def test_what_is_left_out_is_known_after_an_interruption(broken, decoded, cache, monkeypatch, damage, chunks):
    interrupt(broken, monkeypatch, chunks, on_broken="skip")
    harm(cache, damage)
    check_left_out(broken, load(broken, on_broken="skip"))


@pytest.mark.parametrize("old, new", [("is no image", "has no image"), ("[0, 0, 9,", "[1, 0, 9,")])
def test_a_record_that_was_changed_is_noticed(broken, decoded, cache, caplog, old, new):
    load(broken, on_broken="skip")
    (record,) = cache.glob("*.jsonl")
    assert old in record.read_text()
    record.write_text(record.read_text().replace(old, new))
    caplog.clear()
    check_left_out(broken, load(broken, on_broken="skip"))
    assert "is damaged; decoding 20 photographs again" in caplog.text


def test_too_many_broken_photographs(folder, refused):
    for file in sorted(folder.glob("[ab]/*.png"))[:-1]:
        file.write_bytes(b"")
    refused(
        "image_folder", folder, "all 5 photographs of class 'a' in 'all'", "a/00.png", "(and 4 more)", on_broken="skip"
    )
    for file in folder.glob("[abcd]/*.png"):
        if file.name > "07.png":
            file.write_bytes(b"")
    refused(
        "image_folder",
        folder,
        "16 of 20 photographs cannot be read",
        "data.on_broken=skip is for a few",
        on_broken="skip",
    )
    for file in folder.glob("*/*.png"):
        file.write_bytes(b"")
    refused("image_folder", folder, "is no image", "(and 19 more), of 20", on_broken="skip")


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error"), MemoryError()]
)
@pytest.mark.parametrize("on_broken", ["error", "skip"])
def test_what_cannot_be_read_now_is_not_broken(folder, refused, cache, monkeypatch, error, on_broken):
    def failing(path, image_size):
        if path.name == "04.png":
            raise error
        return decode(path, image_size)

    with monkeypatch.context() as patch:
        patch.setattr(decoder, "decode", failing)
        why = getattr(error, "strerror", None) or "MemoryError"
        refused("image_folder", folder, "a/04.png: cannot be read", why, on_broken=on_broken)
    assert len(pixels(folder, 64)) == 20


# The cache


def test_a_second_load_decodes_nothing(folder, decoded):
    first = load(folder)
    assert sorted(decoded) == sorted(path.name for path in folder.glob("*/*.png"))
    second = load(folder)
    assert len(decoded) == 20 and second.sources == first.sources
    assert type(second.parts["all"].inputs) is np.ndarray and not second.parts["all"].inputs.flags.owndata
    np.testing.assert_array_equal(first.parts["all"].inputs, second.parts["all"].inputs)


def test_pixels_are_mapped_read_only_and_their_digest_is_a_source(folder, cache, decoded):
    splits = load(folder)
    inputs = splits.parts["all"].inputs
    assert type(inputs) is np.ndarray and not inputs.flags.writeable and not inputs.flags.owndata
    (source,) = splits.sources
    assert source.sha256 == hashlib.sha256(np.ascontiguousarray(inputs)).hexdigest() and "8x8" in source.file
    (record,) = cache.glob("*.jsonl")
    assert json.loads(record.read_text().splitlines()[-1])["sha256"] == source.sha256
    assert record.with_suffix(".pixels").read_bytes() == inputs.tobytes()
    assert {path.suffix for path in cache.iterdir()} == {".jsonl", ".pixels", ".lock"}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_parallel_equals_serial(folder, monkeypatch, decoded):
    serial = np.stack([square(path, 8) for path in sorted(folder.glob("*/*.png"))])
    for threads in (1, 7):
        monkeypatch.setenv("LAMV_CACHE", str(folder.parent / f"with {threads}"))
        monkeypatch.setattr(photograph_cache, "MOST_THREADS", threads)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(7), raising=False)
        np.testing.assert_array_equal(pixels(folder), serial)


def test_sizes_do_not_collide(folder, decoded):
    small, large = pixels(folder, 4), pixels(folder, 9)
    assert small.shape == (20, 4, 4, 3) and large.shape == (20, 9, 9, 3) and len(decoded) == 40
    np.testing.assert_array_equal(pixels(folder, 4), small)
    assert len(decoded) == 40


def test_a_changed_photograph_is_decoded_again(folder, decoded, photograph):
    before = pixels(folder).copy()
    photograph(folder / "a" / "00.png", 99)
    assert np.any(pixels(folder)[0] != before[0]) and len(decoded) == 40


def test_another_folder_is_another_set(tmp_path):
    """Pictures of one size and one time, as archives leave them, are told apart by where they lie."""
    for folder, colours in (("one", (10, 20)), ("other", (30, 40))):
        for name, colour in zip("ab", colours, strict=True):
            path = tmp_path / folder / name / "1.bmp"
            path.parent.mkdir(parents=True)
            Image.new("L", (8, 8), colour).save(path)
            os.utime(path, (0, 0))
    assert pixels(tmp_path / "one")[:, 0, 0, 0].tolist() == [10, 20]
    assert pixels(tmp_path / "other")[:, 0, 0, 0].tolist() == [30, 40]


RECORDS = {
    "cut record": b'{"sha\n', "no object": b"[1]\n", "no text": b"\xff\n", "deep record": b"[" * 100_000 + b"\n",
    "long number": b'{"photographs": [], "self": ' + b"9" * 5000 + b"}\n", "wrong types": b'{"photographs": 3}\n',
    "deep in a record": b'{"photographs": [], "self": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}\n",
}  # fmt: skip
DAMAGE = {"last byte": 4, "cut": 4, "first byte": 20, "no record": 20, "empty record": 20} | dict.fromkeys(RECORDS, 20)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_noticed_and_mended(folder, cache, decoded, caplog, damage):
    before = pixels(folder)
    expected = before.copy()
    (file,), (record,) = cache.glob("*.pixels"), cache.glob("*.jsonl")
    content = bytearray(file.read_bytes())
    if damage in ("last byte", "first byte"):
        content[-1 if damage == "last byte" else 0] ^= 1
        file.write_bytes(content)  # in place: `before` is mapped
    if damage == "cut":
        os.truncate(file, len(content) - 9)
    if damage == "no record":
        record.unlink()
    if damage == "empty record" or damage in RECORDS:
        record.write_bytes(RECORDS.get(damage, b""))
    caplog.clear()
    np.testing.assert_array_equal(pixels(folder), expected)
    assert len(decoded) == 20 + DAMAGE[damage] and ("damaged" in caplog.text) == (
        damage not in ("no record", "empty record")
    )
    np.testing.assert_array_equal(before, expected, err_msg="what another process has mapped is mended too")
    caplog.clear()
    np.testing.assert_array_equal(pixels(folder), expected)
    assert len(decoded) == 20 + DAMAGE[damage] and "damaged" not in caplog.text


class Killed(BaseException):
    """Ends a decoding as a signal would."""


def interrupt(folder, monkeypatch, chunks, **options):
    """Loads a folder, and is killed once that many chunks are stored."""
    first = sorted(folder.glob("*/*.png"))[4 * chunks]
    counted = decoder.decode

    def killed(path, image_size):
        if path == first:
            raise Killed
        return counted(path, image_size)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(decoder, "decode", killed)
        load(folder, **options)


def harm(cache, damage):
    (pixels,), (records,) = cache.glob("*.pixels"), cache.glob("*.jsonl")
    if damage == "pixels":
        content = bytearray(pixels.read_bytes())
        content[len(content) // 2] ^= 1
        pixels.write_bytes(content)
    if damage == "torn line":
        records.write_text(records.read_text()[:-30])
    if damage == "no line break":
        records.write_text(records.read_text()[:-1])
    if damage == "no pixels":
        pixels.unlink()
    if damage == "no lines":
        records.unlink()


AGAIN = {"nothing": 8, "pixels": 16, "torn line": 12, "no line break": 12, "no pixels": 20, "no lines": 20}


@pytest.mark.parametrize("damage", AGAIN)
def test_an_interrupted_decoding_goes_on(folder, cache, decoded, monkeypatch, damage):
    expected = np.stack([square(path, 8) for path in sorted(folder.glob("*/*.png"))])
    interrupt(folder, monkeypatch, 3)
    (records,) = cache.glob("*.jsonl")
    assert len(records.read_text().splitlines()) == 3
    harm(cache, damage)
    decoded.clear()
    splits = load(folder)
    np.testing.assert_array_equal(splits.parts["all"].inputs, expected)
    assert len(decoded) == AGAIN[damage] and splits.sources[0].sha256 == hashlib.sha256(expected).hexdigest()
    assert len(load(folder).parts["all"].inputs) == 20 and len(decoded) == AGAIN[damage]


def test_a_broken_photograph_stays_broken_after_an_interruption(folder, decoded, monkeypatch):
    (folder / "a" / "04.png").write_bytes(b"")
    interrupt(folder, monkeypatch, 3)
    decoded.clear()
    with pytest.raises(DataError, match="a/04.png is no image"):
        load(folder)
    assert len(decoded) == 8, "the two chunks that were still to come"


def test_whoever_comes_second_waits_and_decodes_nothing(folder, cache, decoded, caplog):
    caplog.set_level("INFO", "lamv.data")
    pixels(folder)
    for ending in ("jsonl", "pixels"):
        next(cache.glob(f"*.{ending}")).unlink()
    (lock,) = cache.glob("*.lock")
    decoded.clear()
    with ThreadPoolExecutor(2) as threads, open(lock, "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        both = [threads.submit(pixels, folder) for _ in range(2)]
        while caplog.text.count("waiting for another process") < 2:
            assert not any(future.done() for future in both)
            time.sleep(0.01)
        assert not decoded
        fcntl.flock(held, fcntl.LOCK_UN)
        np.testing.assert_array_equal(both[0].result(), both[1].result())
    assert len(decoded) == 20


def refused_by_the_cache(folder, image_size=8):
    with pytest.raises(WorkdirError) as caught:
        load(folder, image_size)
    message = str(caught.value)
    assert "\n" not in message and "set LAMV_CACHE" in message
    return message


def test_a_cache_that_cannot_be_written(folder, monkeypatch):
    (folder.parent / "file").write_text("")
    monkeypatch.setenv("LAMV_CACHE", str(folder.parent / "file"))
    assert f"{folder.parent}/file" in refused_by_the_cache(folder)


def test_a_full_disk_is_noticed_before_anything_is_decoded(folder, decoded, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=20 * 3 * 512**2 - 1))
    message = refused_by_the_cache(folder, 512)
    assert "No space left" in message and "15 MiB" in message and not decoded
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=20 * 3 * 8**2))
    assert len(pixels(folder)) == 20


def test_a_disk_that_fills_up_keeps_what_is_there(folder, decoded):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        assert "too large" in refused_by_the_cache(folder, 64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    decoded.clear()
    assert pixels(folder, 64).shape == (20, 64, 64, 3) and 0 < len(decoded) < 20


def test_a_cache_that_every_user_may_write_to_is_refused(folder, cache):
    pixels(folder, 8)
    cache.chmod(0o777)
    assert "can be written by every user" in refused_by_the_cache(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_another_user_is_refused(folder, cache):
    pixels(folder, 8)
    os.chown(cache, 12345, 12345)
    assert "is another user's" in refused_by_the_cache(folder)


@pytest.mark.parametrize("ending", [".lock", ".pixels", ".jsonl"])
def test_a_link_in_the_cache_is_not_followed(folder, cache, tmp_path, ending):
    pixels(folder, 8)
    (stem,) = (path.stem for path in cache.glob("*.pixels"))
    for file in cache.iterdir():
        file.unlink()
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (cache / f"{stem}{ending}").symlink_to(outside)
    assert "cannot be used" in refused_by_the_cache(folder)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket"])
@pytest.mark.parametrize("ending", [".lock", ".pixels", ".jsonl"])
def test_what_is_no_file_in_the_cache_is_not_waited_for(folder, cache, put, ending, kind):
    pixels(folder, 8)
    (stem,) = (path.stem for path in cache.glob("*.pixels"))
    for file in cache.iterdir():
        file.unlink()
    put(kind, cache / f"{stem}{ending}")
    assert f"it is a {kind}" in refused_by_the_cache(folder)


def test_the_cache_and_what_it_lies_in_are_for_their_owner_alone(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("LAMV_CACHE", str(tmp_path / "new" / "cache"))
    before = os.umask(0)
    try:
        pixels(folder, 8)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / "new" / below).stat().st_mode) for below in ("cache", "cache/images")] == [
        0o700
    ] * 2
    pixels(folder, 8)


def test_a_cache_that_others_can_put_another_in_the_place_of_is_refused(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("LAMV_CACHE", str(tmp_path / "cache"))
    pixels(folder, 8)
    (tmp_path / "cache").chmod(0o777)
    assert "can be replaced by another user" in refused_by_the_cache(folder)
    (tmp_path / "cache").chmod(0o1777)  # as /tmp is
    pixels(folder, 8)


def test_progress_is_a_line_now_and_then(folder, decoded, caplog, monkeypatch):
    caplog.set_level("INFO", "lamv.data")
    pixels(folder)
    assert "of 20" not in caplog.text
    monkeypatch.setattr(photograph_cache, "SECONDS_BETWEEN_LINES", 0)
    pixels(folder, 7)
    assert "8 of 20 photographs" in caplog.text
