"""One encoded picture to a square of bytes: what is accepted, how it is cropped, which filter resizes it."""

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from r3gan.data.kinds import Pictures
from r3gan.data.untrusted import MAX_PIXELS, BadPictureError, one_line, wrong_content

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")  # no other decoder of Pillow's is tried
FILTERS: Mapping[str, Image.Resampling] = {"box": Image.Resampling.BOX, "lanczos": Image.Resampling.LANCZOS}
MODES_8_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
WITH_ALPHA = ("LA", "PA", "RGBA")
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # tags of TIFF
ORIENTATION = 0x0112  # the EXIF tag; 1: upright
TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What may be done to a picture, as the manifest counts it.
TURNED = "turned as their EXIF orientation says"
UNREADABLE_EXIF = "not turned, since their EXIF data are damaged"
FIRST_FRAME = "read as the first of several frames"
SCALED = "brought from 16 bits per channel to 8"
WHITE = "transparent, laid over white"
ENLARGED = "enlarged"
MADE_SQUARE = {"centre": "cropped to a square", "whole": "squeezed into a square", "pad": "padded to a square"}

Box = tuple[int, int, int, int]


def centre(width: int, height: int) -> Box:
    """The largest square in the middle."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def whole(width: int, height: int) -> Box:
    """All of it, whatever its shape: it is squeezed into the square."""
    return 0, 0, width, height


def padded(width: int, height: int) -> Box:
    """The smallest square around it, which reaches over the picture: there Pillow crops black."""
    side = max(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


CROPS: Mapping[str, Callable[[int, int], Box]] = {"centre": centre, "whole": whole, "pad": padded}


def is_deep(image: Image.Image) -> bool:
    """Whether a channel has more than 8 bits in the file, which Pillow reads as 8 without saying so."""
    arguments = [tile.args for tile in getattr(image, "tile", ())]
    if image.format == "PPM":
        return any(isinstance(each, tuple) and int(each[1]) > 255 for each in arguments) or image.mode == "I"
    return image.format in ("PNG", "TIFF") and any(";16" in str(each) for each in arguments)


def to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled and rounded; Pillow has brought colours to their upper 8 bits."""
    if not image.mode.startswith("I"):
        if "transparency" in image.info:
            raise BadPictureError("has 16 bits per channel and a transparent colour; convert it to 8 bits")
        return image
    if image.mode == "I" and image.format != "PPM":
        raise BadPictureError("has signed channels; convert it to 8 bits per channel")
    bits = 16
    if isinstance(image, TiffImageFile):
        if image.tag_v2.get(PHOTOMETRIC) == 0:
            raise BadPictureError("has 16 bits per channel with white as 0; convert it to 8 bits per channel")
        bits = image.tag_v2.get(BITS_PER_SAMPLE, (16,))[0]
    return Image.fromarray(np.rint(np.asarray(image) * (255 / (2**bits - 1))).clip(0, 255).astype(np.uint8))


def to_rgb(image: Image.Image, done: list[str]) -> Image.Image:
    """Three channels of 8 bits; what is transparent becomes white."""
    if SCALED in done:
        image = to_8_bits(image)
    if image.mode not in MODES_8_BIT:
        raise BadPictureError(f"has mode {image.mode}; convert it to 8 bits per channel")
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            done.append(WHITE)
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def pixels_of(image: Image.Image, data: bytes, done: list[str]) -> Image.Image:
    """Three channels of 8 bits; a JPEG by a decoder that gives the pixels of Pillow's in two thirds of its time."""
    if image.format == "JPEG" and image.mode in ("L", "RGB"):
        # What it refuses, Pillow refuses too or reads as far as the file goes: one rule for damaged files of all kinds.
        with suppress(ValueError):
            if simplejpeg.decode_jpeg_header(data)[:2] != (image.height, image.width):
                raise BadPictureError("has two different sizes")
            return Image.fromarray(simplejpeg.decode_jpeg(data, fastdct=False, fastupsample=False))
    return to_rgb(image, done)


def turn_of(image: Image.Image, done: list[str]) -> Image.Transpose | None:
    """What makes a picture upright, if it is not."""
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # as decoders do, readers of EXIF raise nearly anything on damaged bytes
        done.append(UNREADABLE_EXIF)
        return None
    if turn is not None:
        done.append(TURNED)
    return None if image.format == "TIFF" else turn  # Pillow turns TIFF itself


def to_square(image: Image.Image, data: bytes, entry: Pictures, done: list[str]) -> NDArray[np.uint8]:
    """A picture, opened, and its bytes to uint8 [3, R, R]; what was done to it is added to `done`."""
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # a camera's MPO holds one picture and previews
        done.append(FIRST_FRAME)
    if is_deep(image):  # to be asked before anything loads the pixels
        done.append(SCALED)
    turn = turn_of(image, done) if entry.upright else None
    pixels = pixels_of(image, data, done)
    pixels = pixels.transpose(turn) if turn is not None else pixels
    width, height = pixels.size
    left, top, right, bottom = box = CROPS[entry.crop](width, height)
    if min(right - left, bottom - top) < entry.resolution:
        if not entry.enlarge:
            raise BadPictureError(f"has {width} x {height} pixels, too few for {entry.resolution}")
        done.append(ENLARGED)
    if width != height:
        if entry.square:
            raise BadPictureError(f"has {width} x {height} pixels and should be square")
        done.append(MADE_SQUARE[entry.crop])
    # Cropped first: with resize's own box the filter would also see what lies outside of it.
    square = pixels if box == whole(width, height) else pixels.crop(box)
    return np.asarray(square.resize((entry.resolution, entry.resolution), FILTERS[entry.filter])).transpose(2, 0, 1)


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """A picture's bytes as Pillow's image; what goes wrong with it, also later, is a BadPictureError that says what."""
    if not data:
        raise BadPictureError("is empty")
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > MAX_PIXELS:
                raise BadPictureError(f"claims {image.width} x {image.height} pixels, more than {MAX_PIXELS}")
            yield image
    except BadPictureError:
        raise
    except UnidentifiedImageError:
        raise BadPictureError(f"is {wrong_content(data) or 'no picture that is read: ' + ', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise nearly anything on damaged bytes; each is said, none is lost
        raise BadPictureError(f"cannot be decoded ({one_line(error) or type(error).__name__})") from None


def decode(data: bytes, entry: Pictures) -> tuple[NDArray[np.uint8], str, list[str]]:
    """A picture's bytes to uint8 [3, R, R], its mode, and what was done to it; BadPictureError says what is wrong."""
    done: list[str] = []
    with opened(data) as image:
        return to_square(image, data, entry, done), image.mode, done


def as_stored(data: bytes) -> NDArray[np.uint8]:
    """A picture's bytes to uint8 [3, H, W] of the size it has; BadPictureError says what is wrong."""
    with opened(data) as image:
        return np.asarray(to_rgb(image, [SCALED] if is_deep(image) else [])).transpose(2, 0, 1)
