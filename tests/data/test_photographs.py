"""Photographs: what a decoded one looks like, the cache of decoded ones, and lists held against folders."""

import fcntl
import hashlib
import json
import os
import resource
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lamv import data
from lamv.data import decoding, images
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
    monkeypatch.setattr(decoding, "CHUNK", 4)
    names, original = [], decoding.decode

    def counted(path, image_size):
        names.append(path.name)
        return original(path, image_size)

    monkeypatch.setattr(decoding, "decode", counted)
    return names


def load(folder, image_size=8):
    return data.load("image_folder", folder, image_size=image_size)


def pixels(folder, image_size=8):
    return load(folder, image_size).parts["all"].inputs


# One photograph


@pytest.mark.parametrize("size", [(48, 32), (32, 48), (32, 32), (16, 8)])
def test_a_square_is_the_shorter_side_scaled_and_the_centre_cut(tmp_path, photograph, size):
    original = Image.fromarray(photograph(tmp_path / "a.png", 3, *size))
    square = decoding.decode(tmp_path / "a.png", 16)
    width, height = (16 * side // min(size) for side in size)
    left, top = (width - 16) // 2, (height - 16) // 2
    scaled = original.resize((width, height), Image.Resampling.BILINEAR)
    expected = np.asarray(scaled)[top : top + 16, left : left + 16].astype(int)
    assert square.shape == (16, 16, 3) and square.dtype == np.uint8
    inner = np.s_[1:-1, 1:-1]  # the edges that were cut do not see beyond themselves
    assert np.abs(square - expected)[inner].max() <= 1 and np.ptp(expected) > 40


def test_a_very_long_photograph_costs_no_more_than_its_square(tmp_path):
    Image.new("RGB", (30_000, 1), (10, 20, 30)).save(tmp_path / "a.png")
    assert np.all(decoding.decode(tmp_path / "a.png", 64) == [10, 20, 30])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, photograph, orientation):
    upright = photograph(tmp_path / "upright.png", 5, 16, 16)
    # What a camera that is held so stores: the standard's 2 to 4 mirror and turn over, 5 to 8 lie on their side.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright.swapaxes(0, 1)[::-1],
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: upright.swapaxes(0, 1)[:, ::-1],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored[orientation])).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(decoding.decode(tmp_path / "turned.png", 16), upright)


def test_unreadable_exif_is_no_orientation(tmp_path, photograph):
    photograph(tmp_path / "a.jpg", 5, exif=b"Exif\x00\x00nonsense")
    photograph(tmp_path / "b.jpg", 5)
    np.testing.assert_array_equal(decoding.decode(tmp_path / "a.jpg", 8), decoding.decode(tmp_path / "b.jpg", 8))


@pytest.mark.parametrize(
    "mode, ending", [("L", "png"), ("1", "png"), ("P", "gif"), ("CMYK", "jpg"), ("RGBA", "png"), ("RGB", "webp")]
)
def test_other_colours_become_rgb(tmp_path, mode, ending):
    Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(tmp_path / f"a.{ending}")
    Image.new("RGB", (8, 8), (0, 0, 0)).convert(mode).save(tmp_path / f"b.{ending}")
    with Image.open(tmp_path / f"a.{ending}") as stored:
        assert stored.mode == mode
    assert decoding.decode(tmp_path / f"a.{ending}", 8).min() >= 250
    assert decoding.decode(tmp_path / f"b.{ending}", 8).max() <= 40  # CMYK black is not the darkest there is


def test_jpeg_keeps_its_colours(tmp_path, photograph):
    original = photograph(tmp_path / "a.jpg", 7, 16, 16, quality=95)
    assert np.abs(decoding.decode(tmp_path / "a.jpg", 16).astype(int) - original).mean() < 6


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
    "16 bits": "8 bits",
    "too large": "9000x9000",
    "much too large": "cannot be decoded",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_photographs(refused, folder, cache, kind):
    content = broken_bytes(kind, folder.parent)
    for name in ("b/17.png", "a/04.png", "d/19.png"):
        (folder / name).write_bytes(content)
    refused("image_folder", folder, "a/04.png", "(and 2 more), of 20", BROKEN[kind])
    assert not list(cache.glob("*.npy")) and not list(cache.glob("*.txt")), "nothing that can never be finished stays"
    for name in ("b/17.png", "d/19.png"):
        (folder / name).unlink()
    assert "more" not in refused("image_folder", folder, "a/04.png", "of 18")


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
    (record,) = cache.glob("*.json")
    assert json.loads(record.read_text())["sha256"] == source.sha256
    np.testing.assert_array_equal(np.load(record.with_suffix(".npy")), inputs)
    assert {path.suffix for path in cache.iterdir()} == {".json", ".npy", ".lock"}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_parallel_equals_serial(folder, monkeypatch, decoded):
    serial = np.stack([decoding.decode(path, 8) for path in sorted(folder.glob("*/*.png"))])
    for threads in (1, 7):
        monkeypatch.setenv("LAMV_CACHE", str(folder.parent / f"with {threads}"))
        monkeypatch.setattr(decoding, "MOST_THREADS", threads)
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


@pytest.mark.parametrize("damage", ["flip", "cut", "header", "record", "no record"])
def test_a_damaged_cache_is_noticed_and_mended(folder, cache, decoded, caplog, damage):
    before = pixels(folder).copy()
    (file,), (record,) = cache.glob("*.npy"), cache.glob("*.json")
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-100] ^= 1
    content = content[:-9] if damage == "cut" else b"x" + content[1:] if damage == "header" else content
    file.unlink()  # rather than written to: `before` may still be mapped
    file.write_bytes(content)
    if "record" in damage:
        record.write_text('{"sha') if damage == "record" else record.unlink()
    caplog.clear()
    np.testing.assert_array_equal(pixels(folder), before)
    assert len(decoded) == 40 and ("damaged" in caplog.text) == (damage != "no record")
    caplog.clear()
    np.testing.assert_array_equal(pixels(folder), before)
    assert len(decoded) == 40 and "damaged" not in caplog.text


class Killed(BaseException):
    """Ends a decoding as a signal would."""


def killed_after(chunks):
    """What to put in the place of _Progress.advance, so that decoding stops once that many chunks are stored."""
    left = iter(range(chunks - 1))

    def advance(self, photographs):
        if next(left, None) is None:
            raise Killed

    return advance


def harm(partial, done, damage):
    if damage == "pixels":
        content = bytearray(partial.read_bytes())
        content[200] ^= 1
        partial.write_bytes(content)
    if damage == "torn line":
        done.write_text(done.read_text()[:-30])
    if damage == "no pixels":
        partial.unlink()
    if damage == "no lines":
        done.unlink()


@pytest.mark.parametrize(
    "damage, again", [("nothing", 8), ("pixels", 12), ("torn line", 12), ("no pixels", 20), ("no lines", 20)]
)
def test_an_interrupted_decoding_goes_on(folder, cache, decoded, monkeypatch, damage, again):
    expected = np.stack([decoding.decode(path, 8) for path in sorted(folder.glob("*/*.png"))])
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(decoding._Progress, "advance", killed_after(3))
        load(folder)
    (partial,), (done,) = cache.glob("*.partial.npy"), cache.glob("*.partial.txt")
    assert len(done.read_text().splitlines()) == 3 and not list(cache.glob("*.json"))
    harm(partial, done, damage)
    decoded.clear()
    splits = load(folder)
    np.testing.assert_array_equal(splits.parts["all"].inputs, expected)
    assert len(decoded) == again and splits.sources[0].sha256 == hashlib.sha256(expected).hexdigest()
    assert {path.suffix for path in cache.iterdir()} == {".json", ".npy", ".lock"}


def test_a_broken_photograph_stays_broken_after_an_interruption(folder, decoded, monkeypatch):
    (folder / "a" / "04.png").write_bytes(b"")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(decoding._Progress, "advance", killed_after(3))
        load(folder)
    decoded.clear()
    with pytest.raises(DataError, match="a/04.png is no image"):
        load(folder)
    assert len(decoded) == 12, "the chunk with the broken one, and the two that were still to come"


def test_killed_when_only_the_name_of_the_pixels_is_missing(folder, cache, decoded, monkeypatch):
    replace = os.replace

    def killed(source, target):
        if str(target).endswith(".npy"):
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "replace", killed)
        load(folder)
    assert pixels(folder).shape == (20, 8, 8, 3) and len(decoded) == 20
    assert not list(cache.glob("*.partial.*"))


def test_whoever_comes_second_waits_and_decodes_nothing(folder, cache, decoded, caplog):
    caplog.set_level("INFO", "lamv.data")
    pixels(folder)
    for file in cache.glob("*.[jn]*"):
        file.unlink()
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
    assert "\n" not in message and "image_folder" in message and "set LAMV_CACHE" in message
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


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert decoding.cache_folder() == Path(os.environ["LAMV_CACHE"]) / "images"
    monkeypatch.delenv("LAMV_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert decoding.cache_folder() == tmp_path / "xdg" / "lamv" / "images"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert decoding.cache_folder() == tmp_path / ".cache" / "lamv" / "images"
    monkeypatch.setenv("LAMV_CACHE", "~/mine")
    assert decoding.cache_folder() == tmp_path / "mine" / "images"


def test_progress_is_a_line_now_and_then(folder, decoded, caplog, monkeypatch):
    caplog.set_level("INFO", "lamv.data")
    pixels(folder)
    assert "of 20" not in caplog.text
    monkeypatch.setattr(decoding, "SECONDS_BETWEEN_LINES", 0)
    pixels(folder, 7)
    assert "8 of 20 photographs" in caplog.text


# Words and numbers


@pytest.mark.parametrize(
    "values, names",
    [
        (["10", "9", "10"], ("9", "10")),
        (["-1", "2.5", "-3"], ("-3", "-1", "2.5")),
        (["10", "9", "b"], ("10", "9", "b")),
        (["nan", "2", "10"], ("10", "2", "nan")),
    ],
)
def test_numbered(values, names):
    found, places = images.numbered(values)
    assert found == names and [found[place] for place in places] == values and places.dtype == np.int32
