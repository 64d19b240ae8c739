"""Images of strangers: read where they are honest, refused with the reason where they are not."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from PIL import Image

from multi_llm_comparator.core.exceptions import DocumentError, RequestRefusedError
from multi_llm_comparator.core.image_data import MAX_IMAGES, digest_of, image_bytes, media_type
from multi_llm_comparator.core.pictures import pictures_of
from multi_llm_comparator.core.stored_images import StoredImage


def url_of(image: Image.Image, format: str = "PNG", **options: object) -> str:
    file = io.BytesIO()
    image.save(file, format, **options)
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def png_that_claims(width: int, height: int) -> str:
    """A PNG of a few bytes whose header speaks of a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_of_each_format_is_read(format: str) -> None:
    (picture,) = pictures_of([url_of(Image.new("RGB", (8, 6), "red"), format)])

    assert picture.image.size == (8, 6)
    red, green, blue = picture.image.getpixel((4, 3))
    assert red > 200 and green < 60 and blue < 60


def test_what_is_transparent_is_white_and_what_was_turned_stands_upright() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    turned = Image.new("RGB", (8, 4))
    exif = Image.Exif()
    exif[0x0112] = 6

    pictures = pictures_of([url_of(clear), url_of(turned, "JPEG", exif=exif)])

    assert pictures[0].image.getpixel((0, 0)) == (255, 255, 255)
    assert pictures[1].image.size == (4, 8)


def test_equal_files_have_equal_digests_and_others_have_not() -> None:
    red, blue = (url_of(Image.new("RGB", (4, 4), colour)) for colour in ("red", "blue"))

    digests = [picture.digest for picture in pictures_of([red, blue, red])]

    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://example.org/a.png", "fetch nothing"),
        ("file:///etc/passwd", "fetch nothing"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "cannot be read"),
        ("data:image/png;base64,@@@@", "base64"),
        ("data:image/png;base64,aGVsbG8=", "cannot be read"),
        (png_that_claims(60_000, 60_000), "pixels"),
        (png_that_claims(100, 100), "damaged"),
        (png_that_claims(5000, 10), "one side"),
    ],
)
def test_what_is_no_honest_picture_is_refused_with_the_reason(url: str, said: str) -> None:
    with pytest.raises(RequestRefusedError, match=said):
        pictures_of([url])


def test_a_request_has_only_so_many_pictures() -> None:
    with pytest.raises(RequestRefusedError, match=str(MAX_IMAGES)):
        pictures_of([url_of(Image.new("RGB", (2, 2)))] * (MAX_IMAGES + 1))


def test_a_stored_picture_is_what_its_digest_says() -> None:
    url = url_of(Image.new("RGB", (4, 4), "red"))
    image = StoredImage(digest_of(image_bytes(url)), "red.png", url, url, 4, 4)

    assert image.check() is image
    with pytest.raises(DocumentError, match="changed"):
        StoredImage("0" * 64, "red.png", url, url, 4, 4).check()
    with pytest.raises(DocumentError, match="small form"):
        StoredImage(image.digest, "red.png", url, "https://example.org/pixel.png", 4, 4).check()


def test_a_files_beginning_says_what_it_is() -> None:
    assert media_type(b"\xff\xd8\xff\xe0rest") == "image/jpeg"
    assert media_type(b"RIFF\0\0\0\0WEBPVP8 ") == "image/webp"
    assert media_type(b"<svg xmlns=") is None
