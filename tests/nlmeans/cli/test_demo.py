"""The demo writes what it says it does. Its pictures' looks are for people to judge."""

import numpy as np
import pytest
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.cli import demonstrating as demo


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "pictures"
    done = CliRunner().invoke(app, ["demo", "--out", str(folder)])
    assert done.exit_code == 0, done.stderr
    return folder, done.stdout


def pixels(made, name):
    return formats.read(made[0] / name).pixels


def test_writes_four_pictures(made):
    assert sorted(path.name for path in made[0].iterdir()) == [
        "clean.png",
        "comparison.png",
        "denoised.png",
        "noisy.png",
    ]


def test_noise_is_what_it_says(made):
    clean, noisy = pixels(made, "clean.png"), pixels(made, "noisy.png")
    assert clean.shape == noisy.shape == (300, 451, 3)
    middle = (clean > 100) & (clean < 155)  # three σ from black and white: not clipped
    assert np.std(noisy[middle].astype(int) - clean[middle]) == pytest.approx(demo.SIGMA, rel=0.02)
    np.testing.assert_array_equal(noisy, demo.add_noise(clean))  # the same on every run


def test_gain_is_what_it_says(made):
    clean, noisy, denoised = (pixels(made, f"{name}.png") for name in ("clean", "noisy", "denoised"))
    before, after = demo.measure(noisy, clean), demo.measure(denoised, clean)
    error = np.square(denoised.astype(float) - clean).mean()
    assert after.psnr == pytest.approx(10 * np.log10(255**2 / error))
    assert after.psnr > before.psnr + 8
    assert after.ssim > before.ssim + 0.3
    table = made[1]
    assert f"{before.psnr:.2f} dB noisy, {after.psnr:.2f} dB denoised" in table
    assert f"{before.ssim:.3f} noisy, {after.ssim:.3f} denoised" in table
    for word in ("(estimated)", "patch", "search window", "strength", "seconds", str(made[0].resolve())):
        assert word in table


def test_comparison_shows_the_pictures(made):
    sheet, noisy = pixels(made, "comparison.png"), pixels(made, "noisy.png")
    rows, columns = noisy.shape[:2]
    top, left = 2 * demo.LINE, demo.GAP
    shown = sheet[top : top + rows, left : left + columns]
    assert (shown == noisy).all(axis=-1).mean() > 0.98  # all but the frame around the detail
    x, y, width, height = demo.DETAIL
    detail = sheet[top + rows + demo.GAP :, left:][: height * demo.ZOOM, : width * demo.ZOOM]
    np.testing.assert_array_equal(detail[:: demo.ZOOM, :: demo.ZOOM], noisy[y : y + height, x : x + width])


def test_may_run_twice(made):
    first = (made[0] / "denoised.png").read_bytes()
    assert CliRunner().invoke(app, ["demo", "--out", str(made[0])]).exit_code == 0
    assert (made[0] / "denoised.png").read_bytes() == first


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "file")])
    assert done.exit_code == 1
    assert "file" in done.stderr
    assert "Traceback" not in done.stderr
