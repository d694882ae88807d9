"""Files: from one format to another, damaged ones, and none half written."""

import errno
import itertools
import os
import stat
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from pictures import SHAPE, block, changed, noise, profile, smooth, through, with_path
from PIL import Image

from nlmeans import formats
from nlmeans.formats import exif
from nlmeans.formats.own import png


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float16", "float64"])
def test_npy(tmp_path, dtype):
    array = noise(np.dtype(dtype).newbyteorder("="), 5, 6, 7).astype(dtype)
    np.save(tmp_path / "in.npy", np.asfortranarray(array))
    before, _ = through(tmp_path / "in.npy", tmp_path / "out.npy")
    assert before.axes is None
    assert before.pixels.dtype == dtype
    assert formats.read(tmp_path / "in.npy", axes="TYX").axes == "TYX"


def test_npy_of_two_dimensions_has_axes(tmp_path):
    np.save(tmp_path / "in.npy", noise("float32"))
    assert formats.read(tmp_path / "in.npy").axes == "YX"


def test_refused_npy(tmp_path):
    path = tmp_path / "in.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(formats.PictureError, match="Python objects"):
        formats.read(path)
    with path.open("wb") as file:  # a header that asks for a petabyte
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 24, 1 << 23)}
        )
    with pytest.raises(formats.PictureError, match="cut short"):
        formats.read(path)


# --- from one format to another ---


def test_from_format_to_format(tmp_path):
    pixels = smooth()
    source = formats.Picture(pixels, "YXC", icc=profile(), exif=block(), dpi=(300.0, 150.0))
    for suffix, to in itertools.product((".png", ".tif", ".jpg"), repeat=2):
        first, second = tmp_path / f"first{suffix}", tmp_path / f"second{to}"
        formats.write(first, source, overwrite=True)
        formats.write(second, formats.read(first), overwrite=True)
        after = formats.read(second)
        assert after.icc == profile(), (suffix, to)
        assert after.dpi == pytest.approx((300, 150), abs=0.02), (suffix, to)
        assert exif.orientation(after.exif) == 6, (suffix, to)
        assert exif.load(after.exif).get_ifd(exif.EXIF_IFD)[33434] == 0.125, (suffix, to)
        assert after.pixels.shape == pixels.shape
        assert np.abs(after.pixels.astype(int) - pixels).max() < 12


@pytest.mark.parametrize("code", range(1, 9))
def test_npy_is_upright(tmp_path, code):
    pixels = noise("uint8", 5, 7, 3)
    formats.write(tmp_path / "in.png", formats.Picture(pixels, "YXC", exif=block(orientation=code)))
    formats.write(tmp_path / "out.npy", formats.read(tmp_path / "in.png"))
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's transposes, by its ImageOps
    image = Image.fromarray(pixels)
    expected = np.asarray(image.transpose(Image.Transpose(turned[code])) if code > 1 else image)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_alpha_goes_along(tmp_path):
    rgba = noise("uint8", *SHAPE, 4)
    formats.write(tmp_path / "in.png", formats.Picture(rgba[..., :3], "YXC", alpha=rgba[..., 3:]))
    picture = formats.read(tmp_path / "in.png")
    formats.write(tmp_path / "out.tif", picture)
    formats.write(tmp_path / "out.npy", picture)
    np.testing.assert_array_equal(formats.read(tmp_path / "out.tif").alpha, rgba[..., 3:])
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), rgba)


def test_axes_go_from_npy_to_tiff(tmp_path):
    np.save(tmp_path / "in.npy", noise("float32", 4, 5, 6, 3))
    formats.write(tmp_path / "out.tif", formats.read(tmp_path / "in.npy", axes="TYXC"))
    assert formats.read(tmp_path / "out.tif").axes == "TYXC"
    formats.write(tmp_path / "images.tif", formats.read(tmp_path / "in.npy", axes="NYXC"))
    with pytest.raises(formats.PictureError, match="NYXC for separate images"):
        formats.read(tmp_path / "images.tif")


@pytest.mark.parametrize(
    ("name", "picture", "message"),
    [
        ("a.jpg", formats.Picture(noise("uint16"), "YX"), "a JPEG holds uint8 pixels: these are uint16"),
        ("a.png", formats.Picture(noise("float32"), "YX"), "a PNG holds uint8 or uint16 pixels: these are float32"),
        (
            "a.png",
            formats.Picture(noise("uint8", 4, *SHAPE), "ZYX"),
            r"one grey or RGB picture: this has shape \(4, 19, 23\)",
        ),
        (
            "a.jpg",
            formats.Picture(noise("uint8", *SHAPE, 3), "YXC", alpha=noise("uint8", *SHAPE, 1)),
            "a JPEG has no alpha",
        ),
        (
            "a.png",
            formats.Picture(noise("uint8", *SHAPE, 3), "YXC", alpha=noise("uint8", *SHAPE, 2)),
            "a PNG holds one alpha",
        ),
        ("a.mp4", formats.Picture(noise("uint8"), "YX"), "the name ends in .mp4"),
        ("a", formats.Picture(noise("uint8"), "YX"), "the name ends in nothing"),
    ],
)
def test_what_a_format_cannot_hold(tmp_path, name, picture, message):
    with pytest.raises(formats.PictureError, match=message):
        formats.write(tmp_path / name, picture)
    with pytest.raises(formats.PictureError, match=message):
        formats.check(tmp_path / name, picture)
    assert list(tmp_path.iterdir()) == []


# --- damage and bad will ---


@pytest.fixture
def good(tmp_path):
    folder = tmp_path / "good"
    folder.mkdir()
    picture = formats.Picture(noise("uint8", 60, 50, 3), "YXC")
    formats.write(folder / "a.png", picture)
    formats.write(folder / "deep.png", formats.Picture(noise("uint16", 60, 50, 3), "YXC"))
    formats.write(folder / "a.jpg", picture)
    formats.write(folder / "a.npy", picture)
    formats.write(folder / "plain.tif", picture)
    tifffile.imwrite(folder / "zlib.tif", picture.pixels, photometric="rgb", compression="zlib", rowsperstrip=9)
    return folder


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.png", "deep.png", "a.jpg", "a.npy", "plain.tif", "zlib.tif"])
def test_truncated_files(good, tmp_path, name, share):
    data = (good / name).read_bytes()
    path = tmp_path / name
    keep = int(len(data) * share)
    if name == "zlib.tif" and share > 0.9:
        keep = 4000  # its directory comes first: cut into the last strips
    path.write_bytes(data[:keep])
    with pytest.raises(formats.PictureError):
        formats.read(path)


def test_truncated_tiff_is_noticed_before_it_is_unpacked(good, tmp_path):
    (tmp_path / "a.tif").write_bytes((good / "plain.tif").read_bytes()[:-1])
    with pytest.raises(formats.PictureError, match="the file is cut short: its pixels end at byte"):
        formats.read(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.png", "deep.png"])
def test_damaged_png(good, tmp_path, name):
    data = bytearray((good / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(formats.PictureError, match="checksum"):
        formats.read(tmp_path / name)


def test_bombs(tmp_path, good):
    huge = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [png.Chunk(b"IHDR", huge), png.Chunk(b"IDAT", zlib.compress(bytes(10**6))), png.Chunk(b"IEND", b"")]
    (tmp_path / "bomb.png").write_bytes(png.SIGNATURE + b"".join(chunk.pack() for chunk in chunks))
    with pytest.raises(formats.PictureError, match=r"decompression bomb: its header says 60000×60000.*--max-pixels"):
        formats.read(tmp_path / "bomb.png")
    for name in ("a.png", "a.jpg", "zlib.tif", "plain.tif"):
        with pytest.raises(formats.PictureError, match="its header says 50×60"):
            formats.read(good / name, max_pixels=2999)
        assert formats.read(good / name, max_pixels=3000).pixels.size == 9000


def test_tiff_bomb_of_many_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "bomb.tif") as writer:
        writer.write(np.zeros((2000, 2000), np.uint8), compression="zlib", metadata=None)
    data = bytearray((tmp_path / "bomb.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "bomb.tif") as tif:
        places = [tif.pages[0].tags[code].valueoffset for code in (256, 257)]
    for place in places:
        struct.pack_into("<I", data, place, 16000)
    (tmp_path / "bomb.tif").write_bytes(data)
    with pytest.raises(formats.PictureError, match="damaged or cut short: it names 16 of 123 strips"):
        formats.read(tmp_path / "bomb.tif")


def test_limit_lets_large_cameras_pass():
    assert 150e6 < formats.MAX_PIXELS < 1e9


@pytest.mark.parametrize(
    ("name", "head", "message"),
    [
        ("a.heic", b"PK\x03\x04", "a ZIP file: unpack it first"),
        ("a.png", b"%PDF", "this is PDF: take the picture out of it"),
        ("a.png", b"", "the file is empty"),
    ],
)
def test_files_of_other_kinds(tmp_path, name, head, message):
    (tmp_path / name).write_bytes(head)
    with pytest.raises(formats.PictureError, match=message):
        formats.read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.nef", b"MM\0*"),
        ("a.CR3", b"\0\0\0\x18ftypcrx "),
        ("renamed.png", b"\0\0\0\x18ftypcrx "),
        ("renamed.tif", b"II*\0\x10\0\0\0CR\2\0"),
        ("a.raf", b"FUJIFILMCCD-RAW 0201"),
    ],
)
def test_camera_raw_is_known_by_its_name_or_its_beginning(tmp_path, monkeypatch, name, head):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / name).write_bytes(head)
    with pytest.raises(formats.PictureError, match="camera RAW files need rawpy: install it with"):
        formats.read(tmp_path / name)


def test_content_decides_not_the_name(tmp_path):
    formats.write(tmp_path / "a.png", formats.Picture(noise("uint8"), "YX"))
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert formats.read(tmp_path / "a.jpg").pixels.shape == SHAPE


def test_missing_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        formats.read(tmp_path / "none.png")
    with pytest.raises(OSError, match=r"directory|denied"):
        formats.read(tmp_path)


# --- whole or not at all ---

PICTURE = formats.Picture(noise("uint8"), "YX")


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="--overwrite"):
        formats.write(path, PICTURE)
    assert path.read_bytes() == b"precious"
    formats.write(path, PICTURE, overwrite=True)
    np.testing.assert_array_equal(formats.read(path).pixels, PICTURE.pixels)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full"), MemoryError])
def test_a_failed_write_leaves_no_trace(tmp_path, monkeypatch, error):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")

    def fail(*_):
        assert len(list(tmp_path.iterdir())) == 2  # the file and its future self
        raise error
        yield

    monkeypatch.setattr(png, "_deflated", fail)
    with pytest.raises(error if isinstance(error, type) else OSError):
        formats.write(path, PICTURE, overwrite=True)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    monkeypatch.setattr(png, "_deflated", lambda *_: [path.write_bytes(b"faster").to_bytes(1)])
    with pytest.raises(FileExistsError):
        formats.write(path, PICTURE)
    assert path.read_bytes() == b"faster"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.npy"])
def test_output_onto_input(tmp_path, name):
    path = tmp_path / name
    formats.write(path, formats.Picture(smooth(*SHAPE), "YX"))
    picture = formats.read(path)
    formats.write(path, changed(picture), overwrite=True)
    assert formats.read(path).pixels.shape == SHAPE
    assert np.abs(formats.read(path).pixels.astype(int) - changed(picture).pixels).max() < 5


@pytest.mark.skipif(os.name == "nt", reason="POSIX rights")
def test_rights_and_links(tmp_path):
    new = tmp_path / "new.png"
    formats.write(new, PICTURE)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(new.stat().st_mode) == 0o666 & ~umask
    new.chmod(0o640)
    link = tmp_path / "link.png"
    link.symlink_to(new)
    formats.write(link, PICTURE, overwrite=True)
    assert link.is_symlink()
    assert stat.S_IMODE(new.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="no pipes in the file system")
def test_devices_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(formats.PictureError, match="device or a pipe"):
        formats.write(tmp_path / "pipe.png", PICTURE, overwrite=True)
    assert stat.S_ISFIFO((tmp_path / "pipe.png").stat().st_mode)


def test_a_refusing_file_system_is_named(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Read-only file system") as caught:
        formats.write(tmp_path / "a.png", PICTURE)
    assert caught.value.filename == str(tmp_path / "a.png")


def test_unwritable_places(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        formats.write(tmp_path / "none" / "a.png", PICTURE)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(IsADirectoryError):
        formats.write(tmp_path / "folder.png", PICTURE)


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere")
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written to"):
        formats.write(tmp_path / "a.png", PICTURE)


def test_import_is_cheap():
    program = (
        "import sys, nlmeans.io; print(*sorted({'PIL', 'tifffile', 'skimage', 'scipy', 'numba'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], env=with_path(), capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_a_disk_that_is_full_is_named(tmp_path):
    path = tmp_path / "clean.tif"
    said = "9216 requested and 376 written"  # by NumPy
    rule = rf"clean\.tif could not be written to its end: {said}"
    with pytest.raises(OSError, match=rule), formats.replacing(path, overwrite=False):
        raise OSError(said)
    assert list(tmp_path.iterdir()) == []


def test_an_array_is_no_picture(tmp_path):
    with pytest.raises(TypeError, match=r"picture must be a Picture.*; got numpy.ndarray"):
        formats.write(tmp_path / "a.png", np.zeros((8, 8), "u1"))
