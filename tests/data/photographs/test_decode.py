"""One photograph: its square, its orientation, its colours, what is transparent, the first of its frames."""

import numpy as np
import pytest
from PIL import Image

from lamv.data.photographs.decode import decode, on_white


def square(path, image_size):
    return decode(path, image_size)[0]


@pytest.mark.parametrize("size", [(48, 32), (32, 48), (32, 32), (16, 8)])
def test_a_square_is_the_shorter_side_scaled_and_the_centre_cut(tmp_path, photograph, size):
    original = Image.fromarray(photograph(tmp_path / "a.png", 3, *size))
    found = square(tmp_path / "a.png", 16)
    width, height = (16 * side // min(size) for side in size)
    left, top = (width - 16) // 2, (height - 16) // 2
    scaled = original.resize((width, height), Image.Resampling.BILINEAR)
    expected = np.asarray(scaled)[top : top + 16, left : left + 16].astype(int)
    assert found.shape == (16, 16, 3) and found.dtype == np.uint8
    inner = np.s_[1:-1, 1:-1]  # the edges that were cut do not see beyond themselves
    assert np.abs(found - expected)[inner].max() <= 1 and np.ptp(expected) > 40


def test_a_very_long_photograph_costs_no_more_than_its_square(tmp_path):
    Image.new("RGB", (30_000, 1), (10, 20, 30)).save(tmp_path / "a.png")
    assert np.all(square(tmp_path / "a.png", 64) == [10, 20, 30])


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
    np.testing.assert_array_equal(square(tmp_path / "turned.png", 16), upright)


def test_unreadable_exif_is_no_orientation(tmp_path, photograph):
    photograph(tmp_path / "a.jpg", 5, exif=b"Exif\x00\x00nonsense")
    photograph(tmp_path / "b.jpg", 5)
    np.testing.assert_array_equal(square(tmp_path / "a.jpg", 8), square(tmp_path / "b.jpg", 8))


@pytest.mark.parametrize(
    "mode, ending", [("L", "png"), ("1", "png"), ("P", "gif"), ("CMYK", "jpg"), ("RGBA", "png"), ("RGB", "webp")]
)
def test_other_colours_become_rgb(tmp_path, mode, ending):
    Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(tmp_path / f"a.{ending}")
    Image.new("RGB", (8, 8), (0, 0, 0)).convert(mode).save(tmp_path / f"b.{ending}")
    with Image.open(tmp_path / f"a.{ending}") as stored:
        assert stored.mode == mode
    assert square(tmp_path / f"a.{ending}", 8).min() >= 250
    assert square(tmp_path / f"b.{ending}", 8).max() <= 40  # CMYK black is not the darkest there is


def test_jpeg_keeps_its_colours(tmp_path, photograph):
    original = photograph(tmp_path / "a.jpg", 7, 16, 16, quality=95)
    assert np.abs(square(tmp_path / "a.jpg", 16).astype(int) - original).mean() < 6


# Alpha, frames, sizes


def with_alpha(mode, colour, alpha):
    """An image of one grey, LA or RGBA, its upper half opaque and its lower half of that alpha."""
    colours = (colour,) * (len(mode) - 1)
    image = Image.new(mode, (8, 8), (*colours, alpha))
    image.paste((*colours, 255), (0, 0, 8, 4))
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("ending", ["png", "tiff", "webp"])
@pytest.mark.parametrize(
    "colour, alpha, expected", [(0, 0, 255), (200, 0, 255), (0, 128, 127), (100, 51, 224), (255, 7, 255)]
)
def test_alpha_is_composited_on_white(tmp_path, mode, ending, colour, alpha, expected):
    options = {"lossless": True, "exact": True} if ending == "webp" else {}
    with_alpha(mode, colour, alpha).save(tmp_path / f"a.{ending}", **options)
    found, (transparent, *_) = decode(tmp_path / f"a.{ending}", 8)
    assert np.all(found[:4] == colour) and np.abs(found[4:].astype(int) - expected).max() <= 1 and transparent == 1


def test_a_palette_with_alpha(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 0, 200])
    image.paste(2, (0, 0, 8, 4))
    image.save(tmp_path / "one.png", transparency=1)
    image.save(tmp_path / "one.gif", transparency=1)
    image.save(tmp_path / "many.png", transparency=bytes([255, 0, 255]))
    for name in ("one.png", "one.gif", "many.png"):
        found, (transparent, *_) = decode(tmp_path / name, 8)
        assert transparent == 1 and np.all(found[:4] == [0, 0, 200]) and np.all(found[4:] == 255), name


def test_one_colour_that_stands_for_nothing(tmp_path):
    for mode, colour in (("RGB", (1, 2, 3)), ("L", 5), ("1", 0)):
        image = Image.new(mode, (8, 8), colour)
        image.paste(255 if mode != "RGB" else (9, 9, 9), (0, 0, 8, 4))
        image.save(tmp_path / "a.png", transparency=colour)
        found, (transparent, *_) = decode(tmp_path / "a.png", 8)
        assert transparent == 1 and np.all(found[4:] == 255), mode
        assert np.all(found[:4] == (9 if mode == "RGB" else 255)), mode


def test_other_modes_with_alpha():
    """Some that no file of a test holds, but that Pillow may make of one."""
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0])
    palette.putalpha(with_alpha("LA", 0, 0).getchannel("A"))
    assert palette.mode == "PA"
    for mode in ("PA", "La", "RGBa"):
        image = palette if mode == "PA" else with_alpha(mode.upper(), 0, 0).convert(mode)
        pixels, transparent = on_white(image, 8)
        assert transparent and np.all(pixels[:4] == 0) and np.all(pixels[4:] == 255), mode


def test_colours_that_cannot_be_seen_do_not_bleed(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, ::2] = [0, 255, 0, 0]  # green that nobody sees, between black columns
    pixels[:, 1::2, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = square(tmp_path / "a.png", 4).astype(int)
    assert np.abs(found[:, 1:3] - 127.5).max() < 1 and np.all(found == found[..., :1]), "half black, half white"


def test_an_opaque_alpha_channel_changes_nothing(tmp_path, photograph):
    pixels = photograph(tmp_path / "a.png", 4, 20, 20)
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "b.png")
    found, (transparent, *_) = decode(tmp_path / "b.png", 8)
    np.testing.assert_array_equal(found, square(tmp_path / "a.png", 8))
    assert transparent == 0


@pytest.mark.parametrize("ending", ["gif", "png", "tiff", "webp"])
def test_the_first_of_several_frames(tmp_path, ending):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    options = {"lossless": True} if ending == "webp" else {}
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], **options)
    found, facts = decode(tmp_path / f"a.{ending}", 8)
    assert facts == (0, 1, 8, 8) and np.abs(found.astype(int) - [250, 0, 0]).max() <= 5
    frames[0].save(tmp_path / f"b.{ending}", **options)
    assert decode(tmp_path / f"b.{ending}", 8)[1] == (0, 0, 8, 8)
