"""Pictures whose noise is not told: the cases of a folder, an earlier build beside this one, tables, and the sheet."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import zoom
from skimage.io import imread, imsave

from benchmarks.__main__ import main
from benchmarks.harness import overview, schema
from benchmarks.peers import fixed
from benchmarks.suites import real as suite

Y, X = np.mgrid[:64, :72]
CLEAN = np.stack([128 + 60 * np.sin(X / 9.0), 128 + 50 * np.cos(Y / 7.0), 128 + X - Y / 2.0], -1)
EARLIER = "def denoise(image, sigma=None, **options): return 255 - image if image[0, 0, 0] > 100 else image"


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    for name in ("PolyU/C_5_160_800_cup_1", "PolyU/C_5_160_800_box_2", "other/deep/a"):
        for end, sigma in (("real", 6), ("mean", 0)):
            pixels = np.clip(CLEAN + random.normal(0, 1, CLEAN.shape) * sigma, 0, 255).astype(np.uint8)
            path = tmp_path / "data" / f"{name}_{end}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            imsave(path, pixels, check_contrast=False)
    (tmp_path / "old" / "nlmeans").mkdir(parents=True)
    (tmp_path / "old" / "nlmeans" / "__init__.py").write_text(EARLIER)
    return tmp_path / "data"


def names(data):
    return [case.name for case in suite.real(data, None)]


def test_cases_are_what_a_folder_holds(data):
    assert names(data) == ["PolyU", "other"]
    (data / "Kodak24").mkdir()
    (data / "FMD").mkdir()
    cells = [f"Kodak24-{sigma}-jpeg{quality}" for sigma in (5, 10, 20) for quality in (75, 90, 95)]
    assert names(data) == ["PolyU", "FMD", "other", *cells]
    assert names(data / "other" / "deep") == ["deep"]
    photographs, micrographs = (case for case in suite.real(data, None) if case.name in ("PolyU", "FMD"))
    assert (photographs.side, photographs.colour, photographs.noise) == (256, True, None)
    assert (micrographs.side, micrographs.colour, micrographs.noise) == (None, False, "auto")
    assert set(photographs.methods) - set(micrographs.methods) == {"ridge-18", "ridge-three-scales"}


def test_a_run_beside_an_earlier_build(data, tmp_path, capsys):
    asked = ["real", "--data", str(data), "--against", str(tmp_path / "old")]
    assert main([*asked, "--methods", "noisy,nlmeans-fast,skimage-tv", "--threads", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    result = schema.read(tmp_path / "real.json")
    case = result["cases"][0]
    assert [method["name"] for method in case["methods"]] == ["noisy", "nlmeans-fast", "skimage-tv", "nlmeans-fast@old"]
    ours = [method for method in case["methods"] if method["name"] != "skimage-tv"]  # which may not be installed
    noisy, now, before = (np.array(method["measures"]["psnr"]["values"]) for method in ours)
    assert (now > noisy + 3).all()
    assert (before < 15).all()
    expected = f'| `quality="fast"` | {before.mean():.2f} → {now.mean():.2f} |'
    assert any(line.startswith(expected) for line in printed.splitlines())
    assert "Before the arrow old, after it this build." in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "EMPTY"], "holds one of PolyU, FMD, Kodak24, or pairs: NAME_real and NAME_mean, NAME_noisy and"),
        (["--data", "ABSENT"], "holds one of PolyU"),
        (
            ["--data", "DATA", "--against", "nobody"],
            "--against must be a commit of this checkout, or a folder that holds",
        ),
    ],
)
def test_usage_errors_say_what_is_wrong(words, message, data, tmp_path, capsys):
    (tmp_path / "EMPTY").mkdir()
    places = {"EMPTY": str(tmp_path / "EMPTY"), "ABSENT": str(tmp_path / "ABSENT"), "DATA": str(data)}
    assert main(["real", *(places.get(word, word) for word in words)]) == 2
    assert message in capsys.readouterr().err


def record(name, psnr, seconds=None, **more):
    """Return a method's record, as far as tables read it."""
    measures = {"psnr": {"values": psnr}} | ({"seconds": {"median": seconds}} if seconds else {})
    return {"name": name, "status": "measured", "reason": None, "measures": measures, **more}


def case(methods, pictures=("c_cup_1_real.png", "c_box_1_real.png", "c_cup_2_real.png"), **parameters):
    known = {"source": "PolyU", "jpeg": None, "coloured": True, **parameters}
    return {"name": "it", "title": "PolyU", "parameters": known, "pictures": pictures, "methods": methods}


NOISY = record("noisy", [30.0, 31.0, 32.0])
NOW, BEFORE = record("ridge", [32.0, 30.9, 34.0], 0.05), record("ridge@abc", [30.5, 31.5, 31.0], 0.02)
FAILED = {"name": "bm3d", "status": "skipped", "reason": "not there", "measures": {}}


def test_the_table_of_photographs():
    lines = overview.photographs(case([NOISY, NOW, BEFORE, FAILED]), {"ridge": "Ridge"})
    assert lines == [
        "| PolyU | dB, mean | half to develop with, 1 | half to report, 2 | gain at worst | worse, of 3 | ms |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| noisy | 31.00 | 31.00 | 31.00 | +0.00 | 0 | – |",
        "| Ridge | 31.00 → 32.30 | 31.50 → 30.90 | 30.75 → 33.00 | -1.00 → -0.10 | 1 → 1 | 20 → 50 |",
    ]
    assert "half" not in overview.photographs(case([NOISY, NOW], source="other"), {})[0]
    assert overview.photographs(case([NOISY, BEFORE]), {})[-1].startswith("| ridge | 31.00 → – | 31.50 → – |")


def test_the_tables_of_micrographs_and_of_jpeg_files():
    lines = overview.each(case([NOISY, NOW, BEFORE], coloured=False), {})
    assert lines[0] == "| PolyU | c_cup_1_real.png | c_box_1_real.png | c_cup_2_real.png |"
    assert lines[-1] == "| ridge | 30.50 → 32.00 | 31.50 → 30.90 | 31.00 → 34.00 |"
    cells = [case([NOISY, NOW, BEFORE], jpeg=75, sigma=5.0), case([NOISY, NOW], jpeg=90, sigma=5.0)]
    better = case([NOISY, record("ridge", [33.0, 34.0, 35.0])], jpeg=95, sigma=10.0)
    lines = overview.compressed([*cells, better], {})
    assert lines[0] == "| gain in dB, PolyU | σ = 5, JPEG 75 | σ = 5, JPEG 90 | σ = 10, JPEG 95 |"
    assert lines[2:] == ["| ridge | +0.00 → +1.30, 1 → 1 worse | +1.30, 1 worse | +3.00 |"]


def test_at_a_glance_all_is_there_and_what_could_not_be_measured_too():
    result = {"cases": [case([NOISY, NOW, BEFORE, FAILED]), case([NOW]), case([NOISY, NOW], jpeg=75, sigma=5.0)]}
    lines = overview.overview(result, {})
    assert lines.count("| --- | --- | --- | --- | --- | --- | --- |") == 1
    assert "| gain in dB, PolyU | σ = 5, JPEG 75 |" in lines
    assert "Before the arrow abc, after it this build." in lines
    assert lines[-1] == "bm3d skipped: not there (it)"


def test_the_tables_of_pages_are_those_of_committed_results():
    class Committed:
        def lasting(self, suite):
            cases = case([NOW, NOISY]), case([NOISY, NOW], source="Kodak24", jpeg=75, sigma=5.0)
            return {each["parameters"]["source"]: each for each in cases}

    assert suite.TABLES["real"](Committed())[-1].startswith('| `method="ridge"` | 32.30 |')
    assert suite.TABLES["real-jpeg"](Committed())[-1] == '| `method="ridge"` | +1.30, 1 worse |'


# --- fixed strengths --------------------------------------------------------------------------------------------------


def test_doubling_is_bilinear_and_halving_takes_means():
    picture = np.random.default_rng(0).normal(size=(6, 9, 3)).astype(np.float32)
    expected = zoom(picture, (2, 2, 1), order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(fixed.doubled(picture), expected, atol=1e-5)
    np.testing.assert_allclose(fixed.halved(np.kron(picture, np.ones((2, 2, 1)))), picture, atol=1e-6)


def test_three_scales_are_the_coarsest_first_and_its_change_for_the_finer_one(monkeypatch):
    """Each scale adds its σ: a change of 3 at a quarter, that and 5 at the half, that and 8 at the whole."""
    seen = []
    monkeypatch.setattr(
        fixed, "ridge", lambda image, threads, sigma: seen.append((image.shape, sigma)) or image + sigma
    )
    picture = np.full((30, 41, 3), 100, np.uint8)
    result = fixed.three_scales(picture, 1)
    assert seen == [((8, 11, 3), 3), ((16, 22, 3), 5), ((32, 44, 3), 8)]
    np.testing.assert_allclose(result, np.full(picture.shape, 100 + 3 + 5 + 8))


def test_coarse_noise_is_removed_at_three_scales():
    smooth = np.repeat(np.repeat(CLEAN[::4, ::4], 4, 0), 4, 1)
    coarse = np.repeat(np.repeat(np.random.default_rng(0).normal(0, 5, (16, 18, 3)), 4, 0), 4, 1)
    one, three = fixed.ridge(smooth + coarse, 1, 8), fixed.three_scales(smooth + coarse, 1)
    assert np.square(three - smooth).mean() < 0.7 * np.square(one - smooth).mean()


# --- the sheet --------------------------------------------------------------------------------------------------------


def test_a_sheet_of_crops(data, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    asked = ["crops", "--data", str(data / "PolyU"), "--method", "nlmeans-fast", "--out", str(out)]
    assert main([*asked, "--against", str(tmp_path / "old")]) == 0
    drawn = imread(out)
    assert drawn.shape[1] > 8 * 2 * 72
    assert len(np.unique(drawn)) > 100
    with pytest.raises(SystemExit):
        main([*asked, "--against", "nobody"])
    assert "--against must be a commit" in capsys.readouterr().err
