"""One encoded picture to a square of bytes: what is accepted, how it is cropped, which filter shrinks it."""

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from r3gan.data.untrusted import MAX_PIXELS, one_line

FORMATS = ("PNG", "JPEG", "WEBP")  # of Pillow's formats those that training sets use; no other decoder is tried
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
FILTERS: Mapping[str, Image.Resampling] = {"box": Image.Resampling.BOX, "lanczos": Image.Resampling.LANCZOS}
MODES_8_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
WITH_ALPHA = ("LA", "PA", "RGBA")

Box = tuple[int, int, int, int]


class BadPictureError(Exception):
    """Why a picture cannot be used, in words that follow its name."""


def centre(width: int, height: int) -> Box:
    """The largest square in the middle."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def whole(width: int, height: int) -> Box:
    """All of it, whatever its shape: it is squeezed into the square."""
    return 0, 0, width, height


CROPS: Mapping[str, Callable[[int, int], Box]] = {"centre": centre, "whole": whole}


def to_rgb(image: Image.Image) -> Image.Image:
    """Three channels of 8 bits; what is transparent becomes white."""
    if image.mode not in MODES_8_BIT:
        raise BadPictureError(f"has mode {image.mode}, not 8 bits a channel")
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def decode(data: bytes, resolution: int, crop: str, filter_name: str, square: bool) -> tuple[NDArray[np.uint8], str]:
    """A picture's bytes to uint8 [3, R, R] and the mode it had; BadPictureError says what is wrong with it."""
    if not data:
        raise BadPictureError("is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadPictureError(f"claims {width} x {height} pixels, more than {MAX_PIXELS}")
            if min(width, height) < resolution:
                raise BadPictureError(f"has {width} x {height} pixels, too few for {resolution}")
            if square and width != height:
                raise BadPictureError(f"has {width} x {height} pixels and should be square")
            mode, pixels = image.mode, to_rgb(image)
    except BadPictureError:
        raise
    except UnidentifiedImageError:
        raise BadPictureError(f"is no {', '.join(FORMATS)} picture") from None
    except Exception as error:  # decoders raise nearly anything on damaged bytes; each is said, none is lost
        raise BadPictureError(f"cannot be decoded ({one_line(error) or type(error).__name__})") from None
    # Cropped first: with resize's own box the filter would also see what lies outside of it.
    square_pixels = pixels.crop(CROPS[crop](width, height)).resize((resolution, resolution), FILTERS[filter_name])
    return np.asarray(square_pixels).transpose(2, 0, 1), mode
