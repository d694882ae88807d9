"""The studies on standard sets run, on sets of a few small pictures."""

import json

import numpy as np
import pytest
from skimage.io import imsave

from benchmarks import tune
from benchmarks.__main__ import STUDIES, main

Y, X = np.mgrid[:64, :72]
GREY = (120 + 60 * np.sin(X / 6.0) + 50 * (Y > 30)).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
NOISY = np.clip(COLOUR + np.random.default_rng(0).normal(0, 6, COLOUR.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path):
    pictures = {
        "Set12/01.png": GREY, "BSD68/a.png": GREY, "BSD68/b.png": GREY.T, "Kodak24/1.png": COLOUR,
        "PolyU/x_real.JPG": NOISY, "PolyU/x_mean.JPG": COLOUR, "FMD/cell_noisy.png": NOISY, "FMD/cell_gt.png": COLOUR,
        "FMD/dish_001_noisy.png": NOISY[..., 0], "FMD/dish_avg50_gt.png": GREY, "Train400/1.png": GREY,
        "Train400/2.png": GREY.T, "CBSD400_train/1.jpg": COLOUR,
    }  # fmt: skip
    for name, pixels in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        imsave(tmp_path / name, pixels, check_contrast=False)
    return tmp_path


def run(tmp_path, name, *flags):
    out = tmp_path / "out.json"
    assert main([name, "--data", str(tmp_path), "--out", str(out), *flags]) == 0
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.parametrize("only", ["Set12 σ=15", "Kodak24 σ=5, JPEG 75", "PolyU", "FMD"])
def test_quality(data, only):
    rows = run(data, "quality", "--only", only)["results"]
    assert {row["set"] for row in rows} == {only}
    assert any("balanced" in row["method"] for row in rows)
    for row in rows:
        assert row["psnr"] == pytest.approx(np.mean(list(row["each"].values())), abs=2e-3)
        assert 10 < row["psnr"] < 90


def test_sure(data):
    rows = run(data, "sure", "--every", "2")["results"]
    assert [row["pictures"] for row in rows] == [1] * 6
    assert all(row["gap_db"] < 1.5 for row in rows)


def test_tune(data, monkeypatch):
    monkeypatch.setattr(tune, "SIGMAS", (20,))
    monkeypatch.setattr(tune, "GRIDS", {name: {1: (0.4, 0.6)} for name in tune.GRIDS})
    rows = run(data, "tune", "--images", "2", "--kinds", "grey", "colour")["results"]
    assert [(row["kind"], row["column"]) for row in rows] == [(k, c) for k in ("grey", "colour") for c in tune.COLUMNS]
    assert all(row["rows"][0]["psnr"] >= row["rows"][1]["psnr"] for row in rows)


def test_they_are_listed(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in STUDIES)
