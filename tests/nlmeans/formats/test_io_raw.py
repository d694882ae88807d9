"""Camera RAW: files that the tests write themselves, of a scene and noise that are known."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from campaigns.seeds import NEUTRAL, dng, jpeg
from pictures import block, with_path
from PIL import Image
from typer.testing import CliRunner

import nlmeans
from nlmeans import io
from nlmeans.cli import app
from nlmeans.cli.comparing import _noise
from nlmeans.cli.options import Filtering
from nlmeans.formats import exif
from nlmeans.noise import Gaussian
from nlmeans.noise.image import evidence_of
from nlmeans.noise.sensor import Sensor

rawpy = pytest.importorskip("rawpy", reason="rawpy is not installed: pip install 'nlmeans[raw]'")
from nlmeans import raw  # noqa: E402
from nlmeans.formats.own.raw import mosaic  # noqa: E402

BLACK, WHITE, GAIN, READ = 512, 15871, 8.0, 12.0
XTRANS = bytes(map(int, "110112112110201021112110110112021201"))
LIBRAW = {"output_bps": 16, "use_camera_wb": True, "no_auto_bright": True, "adjust_maximum_thr": 0.0}


def light(height=320, width=384):
    """Return linear colours 0 to 1: slopes, and discs with sharp edges."""
    y, x = np.mgrid[:height, :width] / width
    scene = np.stack([0.25 + 0.2 * x, 0.2 + 0.2 * y, 0.35 - 0.2 * x * y], axis=-1)
    for k, (row, column, radius) in enumerate([(0.2, 0.25, 0.12), (0.55, 0.7, 0.2), (0.6, 0.2, 0.07), (0.2, 0.8, 0.1)]):
        scene[(y - row) ** 2 + (x - column) ** 2 < radius**2] = np.roll([0.7, 0.35, 0.06], k) * (1 - 0.2 * k)
    return scene


def sensed(scene, exposure=1.0):
    """Return what a sensor without noise reads behind a mosaic of red, green, green and blue, in its steps."""
    counts = BLACK + (WHITE - BLACK) * exposure * scene * NEUTRAL
    plane = np.empty(counts.shape[:2])
    for (row, column), colour in zip(mosaic.PLACES, (0, 1, 1, 2), strict=True):
        plane[row::2, column::2] = counts[row::2, column::2, colour]
    return plane


def noisy(clean, gain=GAIN, read=READ, seed=0):
    rng = np.random.default_rng(seed)
    photons = gain * rng.poisson(np.maximum(clean - BLACK, 0) / gain)
    return stored(BLACK + photons + rng.normal(0, read, clean.shape))


def stored(counts):
    return np.clip(np.rint(counts), 0, WHITE).astype(np.uint16)


def saved(path, counts, **options):
    path.write_bytes(dng(counts, **options))
    return path


def by_libraw(path, **options):
    with rawpy.imread(str(path)) as photo:
        return photo.postprocess(**LIBRAW, gamma=(2.4, 12.92), **options)


def psnr(result, truth):
    return 10 * np.log10(65535**2 / np.mean((result.astype(float) - truth) ** 2))


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """Return a noisy file, and LibRaw's picture of the same without noise."""
    place = tmp_path_factory.mktemp("raw")
    clean = sensed(light())
    truth = by_libraw(saved(place / "clean.dng", stored(clean)))
    return saved(place / "photo.dng", noisy(clean)), truth


# --- reading ---


@pytest.mark.parametrize("sides", [(60, 80), (61, 80), (60, 81), (61, 81)])
@pytest.mark.parametrize("pattern", [b"\0\1\1\2", b"\1\0\2\1", b"\2\1\1\0"])
def test_planes_are_what_was_read_above_black(tmp_path, sides, pattern):
    counts = np.random.default_rng(0).integers(0, 16000, sides).astype(np.uint16)
    black = (500, 510, 520, 530)  # of each place
    picture = io.read(saved(tmp_path / "a.dng", counts, black=black, pattern=pattern))
    assert (picture.axes, picture.white, picture.pixels.dtype) == ("CYX", WHITE - 530, np.float32)
    for plane, level, (row, column) in zip(picture.pixels, black, mosaic.PLACES, strict=True):
        of = counts[row::2, column::2].astype(float)
        ref = np.minimum(of, WHITE) - level
        if ref.shape != plane.shape:  # what is beyond the end is of the plane's own colour
            ref = np.pad(ref, [(0, long - short) for long, short in zip(plane.shape, ref.shape, strict=True)], "edge")
        np.testing.assert_array_equal(plane, ref)
    assert picture.pixels.min() < -400  # not cut off
    assert picture.pixels.shape == (4, -(-sides[0] // 2), -(-sides[1] // 2))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_what_is_put_back_unchanged_is_developed_as_the_file(tmp_path, orientation):
    """For odd sides, and levels of black that differ; below it LibRaw cuts off both alike."""
    counts = np.random.default_rng(0).integers(300, 17000, (61, 81)).astype(np.uint16)
    said = [(274, 3, 1, orientation, True)]
    path = saved(tmp_path / "a.dng", counts, black=(500, 510, 520, 530), said=said)
    picture = io.read(path)
    io.write(tmp_path / "a.tif", picture)
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").pixels, by_libraw(path))


def test_whole_steps_of_a_camera_with_few_bits_are_no_bands(tmp_path):
    """A slope of a tenth of a step a pixel, as averages have it, is put back as such."""
    path = saved(tmp_path / "a.dng", np.full((40, 400), 80, np.uint16), black=(64,) * 4, white=1023)
    picture = io.read(path)
    slope = np.broadcast_to(np.linspace(10, 50, 200, dtype=np.float32), picture.pixels.shape)
    shades = picture.native.developed(picture.with_pixels(slope)).pixels[20, 20:380, 1]
    assert np.unique(shades).size > 150  # there are 41 whole steps, and 180 pixels of green
    assert (np.diff(shades.astype(int)) >= 0).all()


def test_saturated_pixels_stay_whatever_is_made_of_the_others(tmp_path):
    counts = sensed(light(), exposure=2.0)
    assert 0.02 < (counts >= WHITE).mean() < 0.3
    picture = io.read(saved(tmp_path / "a.dng", stored(counts)))
    black = saved(tmp_path / "b.dng", np.where(counts >= WHITE, WHITE, BLACK).astype(np.uint16))
    zeros = picture.with_pixels(np.zeros_like(picture.pixels))
    np.testing.assert_array_equal(picture.native.developed(zeros).pixels, by_libraw(black))


def test_white_is_where_saturated_pixels_heap_up():
    values = np.random.default_rng(0).normal(9000, 500, 100_000).clip(0, 9999).astype(np.uint16)
    assert mosaic.seen_white(values, 12000) == 9999  # 2 % are
    assert mosaic.seen_white(values, 14000) == 14000  # too far below
    assert mosaic.seen_white(values[values < 9999], 12000) == 12000  # the end of a tail
    assert mosaic.seen_white(values, 9000) == 9000


# --- denoising ---


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_what_is_developed_is_close_to_the_truth(photo, method):
    path, truth = photo
    before = psnr(by_libraw(path), truth)
    picture, report = raw.develop(path, method=method, full_output=True)
    assert picture.pixels.dtype == np.uint16
    assert psnr(picture.pixels, truth) > before + 9
    gain, sigma = (float(text.split()[1]) for text in report.plan.noise.split(", ")[1::2])
    assert gain == pytest.approx(GAIN, rel=0.05)
    assert sigma == pytest.approx(READ, abs=6)


@pytest.mark.parametrize(("black", "exposure"), [((512,) * 4, 3.5), ((480, 500, 520, 560), 4.0)])
def test_one_gain_is_fitted_to_all_planes_without_what_is_saturated(tmp_path, black, exposure):
    """As under a bright sky: where levels of black differ, planes heap up at white at four places."""
    counts = noisy(sensed(light() * [1.8, 1.0, 1.2], exposure), 60.0).astype(float)
    for level, (row, column) in zip(black, mosaic.PLACES, strict=True):
        counts[row::2, column::2] += level - BLACK
    picture = io.read(saved(tmp_path / "a.dng", stored(counts), black=black))
    assert (picture.pixels >= picture.white).mean() > 0.4
    noise = Sensor(picture.white).fit(evidence_of(picture.pixels[:, None], None))
    assert noise.model.gain == pytest.approx(60.0, rel=0.06)


def test_a_mosaic_without_noise_is_not_changed_visibly(tmp_path):
    path = saved(tmp_path / "a.dng", stored(sensed(light())))
    assert psnr(raw.develop(path).pixels, by_libraw(path)) > 50


def test_darkness_stays_dark_on_average(tmp_path):
    """What is read below black weighs against what is read above it."""
    path = saved(tmp_path / "a.dng", noisy(np.full((200, 200), BLACK + 0.5), read=20.0))
    picture = io.read(path)
    clean = nlmeans.denoise(picture.pixels, axes="CYX", noise=Sensor(picture.white))
    assert clean.mean() == pytest.approx(picture.pixels.mean(), abs=0.3)  # cut off at 0, it would be 8
    assert clean.std() < 3


def test_options_are_those_of_denoise(photo):
    path, _ = photo
    planes = io.read(path).pixels
    ref = nlmeans.denoise(planes, 100, axes="CYX", quality="fast")
    comp = raw.develop(path, 100, quality="fast")
    picture = io.read(path)
    np.testing.assert_array_equal(comp.pixels, picture.native.developed(picture.with_pixels(ref)).pixels)
    same = raw.develop(path, noise=Gaussian(100), quality="fast", threads=1)
    np.testing.assert_array_equal(same.pixels, comp.pixels)
    with pytest.raises(ValueError, match="quality must be"):
        raw.develop(path, quality="better")


# --- the command line ---


def nl(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_from_the_camera_to_a_picture_with_what_the_camera_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = noisy(sensed(light(120, 160)))
    saved(Path("photo.dng"), counts, said=[(274, 3, 1, 6, True), (315, 2, None, "Ann", True)])
    exif.append(Path("photo.dng"), {exif.EXIF_IFD: {33434: 0.125, 37500: b"note", 40962: 9}, exif.GPS_IFD: {1: "N"}})
    done = nl("denoise", "photo.dng", "out.tif", "--method", "ridge", "--threads", 1)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "PoissonGaussian, gain" in done.stdout
    picture = io.read("out.tif")
    np.testing.assert_array_equal(picture.pixels, raw.develop("photo.dng", method="ridge").pixels)
    assert (picture.pixels.shape, picture.pixels.dtype, picture.axes) == ((160, 120, 3), np.uint16, "YXC")
    said = exif.load(picture.exif)
    assert (said[271], said[315], said[exif.ORIENTATION]) == ("Maker", "Ann", 1)
    assert said.get_ifd(exif.GPS_IFD)[1] == "N"
    of = said.get_ifd(exif.EXIF_IFD)
    assert of[33434] == 0.125
    assert (of[exif.WIDTH], of[exif.HEIGHT], of[exif.COLOUR_SPACE]) == (120, 160, 1)
    assert exif.MAKER_NOTE not in of


def test_commands_know_the_sensors_noise(photo, tmp_path):
    path, _ = photo
    fitted_text = nl("estimate", path, "--model", "poisson").stdout.split("\t")[1]
    gain = float(fitted_text.partition("gain=")[2].partition(",offset")[0])
    assert gain == pytest.approx(GAIN, rel=0.05)
    assert f"PoissonGaussian, gain {gain:.4g}," in nl("plan", path).stdout
    assert "PoissonGaussian" not in nl("plan", path, "--sigma", "100").stdout
    picture = io.read(path)
    assert _noise(nlmeans.plan(picture.pixels, **Filtering().options(picture, {}))).startswith("PoissonGaussian, gain")
    drawing = tmp_path / "noise.svg"
    assert nl("estimate", path, "--model", "poisson", "--plot", drawing).exit_code == 0
    assert "fitted model" in drawing.read_text(encoding="utf-8")


def test_a_folder_of_photographs_becomes_a_folder_of_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    saved(Path("in/a.dng"), noisy(sensed(light(60, 80))))
    saved(Path("in/b.DNG"), noisy(sensed(light(60, 80)))).rename("in/b.nef")
    Image.fromarray(np.zeros((20, 20), np.uint8)).save("in/c.png")
    assert nl("denoise", "in", "out", "--quality", "fast").exit_code == 0
    assert sorted(os.listdir("out")) == ["a.tif", "b.tif", "c.png"]


@pytest.mark.parametrize(
    ("out", "options", "reason"),
    [
        ("out.tif", ("--axes", "YX"), "planes of camera RAW have the axes CYX: leave out --axes"),
        ("out.jpg", (), "a JPEG holds uint8 pixels"),
        ("out.zarr", (), "in blocks, .* is camera RAW"),
        ("out.tif", ("--max-memory", "8G"), "in blocks, .* is camera RAW"),
        ("out.dng", (), "the name ends in .dng; camera RAW is only read: write .tif"),
    ],
)
def test_what_cannot_be_done_with_it(tmp_path, photo, out, options, reason):
    done = nl("denoise", photo[0], tmp_path / out, *options)
    assert done.exit_code != 0
    assert len(done.stderr.splitlines()[-1]) < 500
    assert not os.listdir(tmp_path)
    assert re.search(reason, done.stderr)


# --- what is refused ---


def linear(path):
    said = [(50706, 1, 4, b"\1\4\0\0", True), (50708, 2, None, "t", True), (50717, 4, 3, (WHITE,) * 3, True)]
    tifffile.imwrite(path, np.full((60, 80, 3), 900, np.uint16), photometric=34892, metadata=None, extratags=said)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(dng(noisy(sensed(light(60, 84))), pattern=XTRANS)), "this is X-Trans: develop"),
        (linear, "this has three colours in each pixel"),
        (lambda path: path.write_bytes(dng(noisy(sensed(light(60, 80))), black=(500, 501) * 4)), "here after 4×2"),
        (lambda path: path.write_bytes(dng(noisy(sensed(light(60, 80))), white=500)), "white must be above black"),
        (lambda path: path.write_bytes(dng(noisy(sensed(light(60, 80))))[:5000]), "cut short: its mosaic ends at byte"),
        (lambda path: path.write_bytes(dng(noisy(sensed(light(60, 80))))[:300]), "LibRaw says|damaged"),
        (lambda path: path.write_bytes(b"MM\0*"), "damaged"),
        (lambda path: path.write_bytes(bytes(1000)), "a kind that LibRaw knows"),
    ],
)
def test_refused_in_one_line_and_nothing_is_written(tmp_path, make, reason):
    make(tmp_path / "a.dng")
    with pytest.raises(io.PictureError, match=reason) as caught:
        io.read(tmp_path / "a.dng")
    assert len(str(caught.value).splitlines()) == 1
    done = nl("denoise", tmp_path / "a.dng", tmp_path / "out.tif")
    assert done.exit_code == 1
    assert os.listdir(tmp_path) == ["a.dng"]


def test_a_cut_file_is_one_line_of_a_process_too(tmp_path):
    """LibRaw prints what it meets, and nobody can keep it from that but by looking first."""
    (tmp_path / "a.dng").write_bytes(dng(noisy(sensed(light(60, 80))))[:5000])
    command = [sys.executable, "-m", "nlmeans", "denoise", tmp_path / "a.dng", tmp_path / "out.tif"]
    done = subprocess.run(command, capture_output=True, text=True, env=with_path(), check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


def test_a_header_cannot_claim_memory(tmp_path):
    data = bytearray(dng(np.zeros((60, 80), np.uint16)))
    with tifffile.TiffFile(Path(saved(tmp_path / "a.dng", np.zeros((60, 80), np.uint16)))) as tif:
        places = [tif.pages[0].tags[code].valueoffset for code in (256, 257)]
    for place, side in zip(places, (40_000, 40_000), strict=True):
        data[place : place + 2] = side.to_bytes(2, "little")
    (tmp_path / "a.dng").write_bytes(data)
    with pytest.raises(io.PictureError, match="decompression bomb: its header says 40000×40000"):
        io.read(tmp_path / "a.dng")
    with pytest.raises(io.PictureError, match="3,200,000,000 bytes from"):
        io.read(tmp_path / "a.dng", max_pixels=2**31)


def test_a_file_that_changes_before_it_is_developed_is_refused(tmp_path):
    path = saved(tmp_path / "a.dng", noisy(sensed(light(60, 80))))
    picture = io.read(path)
    saved(path, noisy(sensed(light(60, 80)), seed=1))
    os.utime(path, ns=(0, 0))
    with pytest.raises(io.PictureError, match="this has changed meanwhile"):
        io.write(tmp_path / "a.tif", picture)
    assert os.listdir(tmp_path) == ["a.dng"]


def test_planes_must_be_finite(tmp_path):
    picture = io.read(saved(tmp_path / "a.dng", noisy(sensed(light(60, 80)))))
    picture.pixels[0, 0, 0] = np.nan
    with pytest.raises(io.PictureError, match="planes must be finite; got 1"):
        picture.native.developed(picture)


def test_without_rawpy_one_line_says_what_to_install(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.dng", noisy(sensed(light(60, 80))))
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(
        io.PictureError, match=r"^camera RAW files need rawpy: install it with pip install 'nlmeans\[raw\]'$"
    ):
        io.read(path)


def test_pictures_are_not_developed(tmp_path):
    io.write(tmp_path / "a.png", io.Picture(np.zeros((20, 20), np.uint8)))
    with pytest.raises(io.PictureError, match="must be camera RAW"):
        raw.develop(tmp_path / "a.png")


def test_what_the_camera_said_is_taken_from_the_small_picture_where_the_file_is_no_tiff(tmp_path, caplog):
    path = tmp_path / "a.raf"
    path.write_bytes(b"FUJIFILMCCD-RAW")
    data = jpeg(np.zeros((8, 8), np.uint8), exif=b"Exif\0\0" + block())
    small = SimpleNamespace(format=rawpy.ThumbFormat.JPEG, data=data)
    said = mosaic._exif(SimpleNamespace(extract_thumb=lambda: small), path)
    assert exif.load(said)[271] == "Maker"
    bitmap = SimpleNamespace(format=rawpy.ThumbFormat.BITMAP, data=None)
    assert mosaic._exif(SimpleNamespace(extract_thumb=lambda: bitmap), path) is None
    assert mosaic._exif(SimpleNamespace(extract_thumb=lambda: 1 / 0), path) is None
    assert "its camera metadata cannot be read: division by zero" in caplog.text


@pytest.mark.parametrize("name", ["axes", "dtype", "out"])
def test_what_a_mosaic_has_no_use_for_is_refused(photo, name):
    value = {"axes": "YXC", "dtype": "float32", "out": np.zeros(3)}[name]
    with pytest.raises(TypeError, match=f"without {name}: leave out"):
        raw.develop(photo[0], **{name: value})
