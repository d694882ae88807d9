"""JPEG: the same tables, subsampling and segments."""

import struct

import numpy as np
import pytest
from pictures import SHAPE, block, opened, smooth
from PIL import Image

from nlmeans import formats
from nlmeans.formats import exif


def jpeg_file(path, pixels=None, **options):
    Image.fromarray(smooth() if pixels is None else pixels).save(path, "JPEG", **options)
    return path


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [30, 97])
def test_jpeg_keeps_tables_and_sampling(tmp_path, sampling, quality):
    path = jpeg_file(tmp_path / "in.jpg", quality=quality, subsampling=sampling, progressive=quality == 30)
    picture = formats.read(path)
    assert picture.axes == "YXC"
    formats.write(tmp_path / "out.jpg", picture)
    first, second = opened(path), opened(tmp_path / "out.jpg")
    assert second.quantization == first.quantization
    assert [c[1:] for c in second.layer] == [c[1:] for c in first.layer]
    assert bool(second.info.get("progressive")) == (quality == 30)
    assert np.abs(np.asarray(first, int) - np.asarray(second)).mean() < 3


def test_jpeg_keeps_unequal_tables(tmp_path):
    tables = [[k + 1] * 64 for k in range(3)]  # one for each component
    path = jpeg_file(tmp_path / "in.jpg", qtables=tables, subsampling=0)
    formats.write(tmp_path / "out.jpg", formats.read(path))
    assert opened(tmp_path / "out.jpg").quantization == opened(path).quantization


def test_grey_jpeg(tmp_path):
    path = jpeg_file(tmp_path / "in.jpg", smooth(*SHAPE), quality=90)
    picture = formats.read(path)
    assert picture.axes == "YX"
    formats.write(tmp_path / "out.jpg", picture)
    second = opened(tmp_path / "out.jpg")
    assert second.mode == "L"
    assert second.quantization == opened(path).quantization


def test_jpeg_quality_is_obeyed(tmp_path):
    picture = formats.read(jpeg_file(tmp_path / "in.jpg", quality=90, subsampling=2))
    formats.write(tmp_path / "out.jpg", picture, jpeg_quality=40)
    jpeg_file(tmp_path / "forty.jpg", quality=40, subsampling=2)
    second, forty = opened(tmp_path / "out.jpg"), opened(tmp_path / "forty.jpg")
    assert second.quantization == forty.quantization
    assert second.layer == forty.layer


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def test_jpeg_keeps_every_segment(tmp_path):
    path = jpeg_file(tmp_path / "plain.jpg", dpi=(72, 144))
    data = path.read_bytes()
    said = [
        segment(0xE1, b"Exif\0\0" + block(orientation=8)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
        *(
            segment(0xE2, b"ICC_PROFILE\0" + bytes([k + 1, 2]) + part)
            for k, part in enumerate((b"a" * 65000, b"b" * 9))
        ),
        segment(0xED, b"Photoshop 3.0\0 IPTC"),
        segment(0xFE, b"a comment"),
    ]
    pictures = segment(0xE2, b"MPF\0 offsets to further pictures")
    end = 4 + struct.unpack_from(">H", data, 4)[0]
    (tmp_path / "in.jpg").write_bytes(data[:end] + b"\xff".join((b"", *said, pictures)) + data[end:])  # with fill bytes
    formats.write(tmp_path / "out.jpg", formats.read(tmp_path / "in.jpg"))
    out = (tmp_path / "out.jpg").read_bytes()
    assert out.startswith(data[:end] + b"".join(said) + b"\xff\xdb")
    second = opened(tmp_path / "out.jpg")
    assert second.format == "JPEG"
    assert second.info["dpi"] == (72, 144)
    assert second.getexif()[exif.ORIENTATION] == 8
    assert second.info["icc_profile"] == b"a" * 65000 + b"b" * 9
    assert second.size == SHAPE[::-1]  # stored as it was: turning it is left to the viewer


def test_rgb_jpeg_stays_rgb(tmp_path):
    path = jpeg_file(tmp_path / "in.jpg", quality=95, keep_rgb=True)
    assert opened(path).info.get("adobe_transform") == 0
    formats.write(tmp_path / "out.jpg", formats.read(path))
    assert opened(tmp_path / "out.jpg").info.get("adobe_transform") == 0


def test_cmyk_jpeg_is_refused(tmp_path):
    Image.new("CMYK", (9, 9)).save(tmp_path / "in.jpg")
    with pytest.raises(formats.PictureError, match="CMYK"):
        formats.read(tmp_path / "in.jpg")
