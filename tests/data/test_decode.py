"""JPEG files by the faster decoder: the pixels and the refusals of Pillow's."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from r3gan.data.kinds import Pictures
from r3gan.data.readers import decode
from r3gan.data.untrusted import BadPictureError

SOURCE = Pictures(title="t", page="p", licence="none", resolution=32, count=None)
SIZES = ((1, 1), (2, 9), (7, 5), (17, 33), (341, 256))


def jpeg(width: int, height: int, mode: str, **options: Any) -> bytes:
    """Waves and noise, so that neither blocks nor colours are flat."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([(np.sin(x / 17 + i) + np.cos(y / 23 - i)) * 60 + 128 for i in range(4)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 8, waves.shape)
    pixels = (waves + noise).clip(0, 255).astype(np.uint8)
    bands = {"L": pixels[..., 0], "RGB": np.ascontiguousarray(pixels[..., :3]), "CMYK": pixels}[mode]
    buffer = io.BytesIO()
    Image.fromarray(bands, mode).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(decode.pixels_of(image, data, []))


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_the_pixels_are_pillow_s(mode: str, progressive: bool, subsampling: str) -> None:
    for width, height in SIZES:
        data = jpeg(width, height, mode, progressive=progressive, subsampling=subsampling)
        assert np.array_equal(decoded(data), by_pillow(data)), (width, height)


def test_colours_stored_as_red_green_and_blue_are_pillow_s() -> None:
    data = jpeg(33, 17, "RGB", keep_rgb=True)
    assert np.array_equal(decoded(data), by_pillow(data))


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_a_damaged_file_has_one_verdict_whatever_decodes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte after the header changed or cut off: the same pixels or the same sentence as without the decoder."""

    def verdict(data: bytes) -> object:
        try:
            return decode.decode(data, SOURCE)[0].tobytes()
        except BadPictureError as error:
            return str(error)

    data = jpeg(48, 40, "RGB")
    places = range(2, len(data), 7)
    damaged = [data[:i] for i in places] + [data[:i] + bytes([data[i] ^ 0x55]) + data[i + 1 :] for i in places]
    found = [verdict(each) for each in damaged]
    monkeypatch.setattr(decode, "pixels_of", lambda image, data, done: decode.to_rgb(image, done))
    assert found == [verdict(each) for each in damaged]
    assert len(set(map(str, found))) > 20
