"""A camera's JPEG as the small grey picture that is measured; the only place that needs Pillow."""

from io import BytesIO
from typing import Final

from gateway.decode.image import HEIGHT, WIDTH
from gateway.decode.jpeg import frame_size

FRAME_PIXELS_MAX: Final = 50_000_000  # No camera has more; a bomb of 65,535 squared has 4,295 M.


class NoPictureError(ValueError):
    """Bytes that are no picture of a camera; says why."""


def small_grey(image: bytes) -> bytes:
    """Return the image in grey and in the size that is measured, decoded at low resolution.

    Raises:
        NoPictureError: It is no whole JPEG, too small to be measured, or too large to be decoded.
    """
    from PIL import Image  # Only where a camera is configured: 6 MB.

    size = frame_size(image)
    if size is None:
        raise NoPictureError(f"{len(image)} bytes that are no JPEG")
    width, height = size
    if width < WIDTH or height < HEIGHT or width * height > FRAME_PIXELS_MAX:
        bound = f"{WIDTH} x {HEIGHT} to {FRAME_PIXELS_MAX} pixels"
        raise NoPictureError(f"an image of {width} x {height}, must be {bound}")
    try:
        with Image.open(BytesIO(image), formats=("JPEG",)) as opened:
            opened.draft("L", (2 * WIDTH, 2 * HEIGHT))
            grey = opened.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BOX)
            return grey.tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        raise NoPictureError(f"a JPEG that cannot be decoded: {error}") from error
