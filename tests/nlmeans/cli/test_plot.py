"""``nlmeans estimate --plot``: the noise of a picture as a drawing."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app

SVG = "{http://www.w3.org/2000/svg}"
RAMP = np.linspace(10, 100, 128) * np.ones((128, 1))
COUNTS = np.random.default_rng(0).poisson(RAMP).astype(np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("counts.npy", COUNTS)
    noisy = np.random.default_rng(0).normal(100, 10, (96, 96, 3))
    formats.write("colour.png", formats.Picture(noisy.astype(np.uint8), "YXC"))
    return tmp_path


def nl(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def texts(path):
    return [node.text for node in ET.parse(path).iter(f"{SVG}text")]


def test_a_drawing_beside_the_printed_noise():
    plain = nl("estimate", "colour.png")
    done = nl("estimate", "colour.png", "--plot", "noise.png")
    assert (done.exit_code, done.stdout, done.stderr) == (0, plain.stdout, "")
    pixels = formats.read("noise.png").pixels
    assert pixels.shape[2] == 3
    assert pixels.min() < 60 < 255 == pixels.max()
    assert nl("estimate", "colour.png", "--plot", "noise.svg").exit_code == 0
    words = texts("noise.svg")
    assert {"standard deviation", "power", "correlation of channels", "channel 2"} <= {*words}
    assert words.count("1.00") == 3


def test_a_model_has_its_curve():
    assert nl("estimate", "counts.npy", "--plot", "plain.svg").exit_code == 0
    assert nl("estimate", "counts.npy", "--plot", "curve.svg", "--model", "poisson").exit_code == 0
    said = ["fitted model" in " ".join(texts(name)) for name in ("plain.svg", "curve.svg")]
    assert said == [False, True]
    lines = [len(list(ET.parse(name).iter(f"{SVG}polyline"))) for name in ("plain.svg", "curve.svg")]
    assert lines[1] == lines[0] + 1


def test_files_by_blocks_have_the_same_drawing():
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    zarr.create_array("counts.zarr", shape=COUNTS.shape, dtype=COUNTS.dtype, chunks=(40, 40))[...] = COUNTS
    for source, target in (("counts.npy", "one.svg"), ("counts.zarr", "two.svg")):
        done = nl("estimate", source, "--plot", target, "--model", "poisson")
        assert done.exit_code == 0, done.stderr
    assert Path("one.svg").read_text() == Path("two.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["colour.png", "counts.npy", "--plot", "noise.png"], 1, "--plot must draw one picture; got 2"),
        (["colour.png", "--plot", "noise.xyz"], 1, "noise.xyz"),
        (["colour.png", "--plot", "noise.nii"], 1, "noise.nii"),
        (["colour.png", "--plot", "nowhere/noise.png"], 1, "nowhere does not exist"),
        (["colour.png", "--plot", "taken.png"], 1, "taken.png: exists already"),
        (["colour.png", "--plot", "taken.svg"], 1, "taken.svg: exists already"),
        (["colour.png", "--plot", "colour.png", "--overwrite"], 1, "must be a file of its own"),
        (["colour.png", "--plot", "other.png", "--overwrite"], 1, "must be a file of its own"),
        (["none.png", "--plot", "noise.png"], 1, "none.png"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_the_work(folder, arguments, code, message):
    for name in ("taken.png", "taken.svg"):
        Path(name).write_text("mine")
    Path("other.png").symlink_to("colour.png")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = nl("estimate", *arguments)
    assert done.exit_code == code
    assert message in done.stderr.replace("\n", " ")
    assert done.stdout == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_overwrite_replaces_a_drawing():
    Path("taken.svg").write_text("mine")
    assert nl("estimate", "counts.npy", "--plot", "taken.svg", "--overwrite").exit_code == 0
    assert "standard deviation" in texts("taken.svg")
