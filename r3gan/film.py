"""Films of images: GIF and WebP by Pillow, MP4 by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from r3gan.files import atomic
from r3gan.pictures import as_image

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

FRAMES_PER_S = 30
LEAST_PX = 256  # smaller images are enlarged: codecs work in blocks, and players smooth
ENDINGS = (".gif", ".webp", ".mp4")


def save_film(path: Path, frames: Iterable[Tensor]) -> None:
    """Write images uint8 [C, R, R] as an endless GIF or WebP, or as an H.264 MP4, as the name's ending says."""
    pictures = [enlarged(as_image(frame.numpy()).convert("RGB")) for frame in frames]
    with atomic(path) as temporary:
        if path.suffix == ".mp4":
            write_mp4(temporary, pictures)
        else:
            rest, duration = pictures[1:], 1000 // FRAMES_PER_S
            pictures[0].save(temporary, save_all=True, append_images=rest, duration=duration, loop=0, lossless=True)


def enlarged(picture: Image) -> Image:
    """By whole pixels."""
    zoom = max(1, LEAST_PX // picture.width)
    return picture.resize((zoom * picture.width, zoom * picture.height), resample=0)


def write_mp4(path: Path, pictures: Iterable[Image]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream("libx264", rate=FRAMES_PER_S)
                stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        assert stream is not None
        container.mux(stream.encode())
