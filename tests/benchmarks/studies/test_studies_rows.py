"""The studies of volumes, of noise that channels share and of loops run in small; what is wrong has no figures."""

import json

import numpy as np
import pytest
from skimage.io import imsave

from benchmarks.__main__ import main
from benchmarks.harness.magnetic import WITHOUT, diffusion, magnitudes, on_black
from benchmarks.harness.published import Published
from benchmarks.peers import magnetic
from benchmarks.present import tables
from benchmarks.studies import loops, shared, volumes

Y, X = np.mgrid[:64, :72]
GREY = (120 + 60 * np.sin(X / 6.0) + 50 * (Y > 30)).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
NOISY = np.clip(COLOUR + np.random.default_rng(0).normal(0, 6, COLOUR.shape), 0, 255).astype(np.uint8)


def made(tmp_path, name, *flags):
    """Run a study; return what it wrote, where a version's results lie."""
    (tmp_path / "0.1.0").mkdir()
    out = tmp_path / "0.1.0" / f"{name}.json"
    assert main([name, "--out", str(out), *flags]) == 0
    return json.loads(out.read_text(encoding="utf-8"))


def shown(tmp_path, name):
    """Return the cells of a table."""
    lines = tables.filled(f"<!-- table: {name} -->\n<!-- end -->\n", Published(tmp_path)).splitlines()[1:-1]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_volumes(tmp_path, monkeypatch):
    monkeypatch.delenv("NLMEANS_PEERS", raising=False)
    monkeypatch.setattr(volumes, "BLACK_SIDES", (20,))
    monkeypatch.setattr(volumes, "SERIES_SIDES", (6, 12, 12))
    monkeypatch.setattr(volumes, "SERIES_SIGMAS", (20.0,))
    monkeypatch.setattr(volumes, "SIDE", 16)
    monkeypatch.setattr(volumes, "GAIN", -5.0)  # DIPY's estimate of σ wants more voxels
    monkeypatch.setattr(volumes, "OURS", {"the default": {}})
    results = made(tmp_path, "volumes")["results"]
    assert {row["status"] for row in results} == {"measured"}
    (first, *_), (rician, *_), (series, *_) = (shown(tmp_path, name) for name in ("volumes", "rician", "series"))
    assert first == ["one thread", "phantom 16³"]
    assert rician == ["one thread", "20³, σ given", "20³, σ not told"]
    assert series == ["one thread", "Gaussian, σ = 20", "Rician, σ = 20"]
    told, untold = (row["psnr"] for row in results if row["table"] == "rician" and row["method"] == "the default")
    assert abs(told - untold) < 1
    together, apart, *_ = (row["psnr"] for row in results if row["table"] == "series")
    assert together > apart


class Spoilt(volumes.Scene):
    """A scene whose methods are a test's."""

    def calls(self, noisy):
        return {
            "right": lambda: self.clean[: len(noisy), : len(noisy), : len(noisy)],
            "infinite": lambda: noisy * np.inf,
            "short": lambda: noisy[1:],
            "noisy": lambda: noisy,
            "raises": lambda: 1 / 0,
        }


def test_a_wrong_answer_has_no_figures(tmp_path):
    clean = on_black(16)
    scene = Spoilt("volumes", "a volume", clean, magnitudes(clean, 20, 0))
    rows = {row["method"]: row for row in volumes.measure(scene, 1)}
    assert [name for name, row in rows.items() if row["status"] == "measured"] == ["right"]
    for name, words in (("infinite", "finite"), ("short", "of shape"), ("noisy", "got 0.00"), ("raises", "ZeroDiv")):
        assert words in rows[name]["reason"]
        assert "psnr" not in rows[name]
    (tmp_path / "0.1.0").mkdir()
    (tmp_path / "0.1.0/volumes.json").write_text(json.dumps({"results": list(rows.values())}), encoding="utf-8")
    assert "failed: the answer must gain 1 dB; got 0.00" in shown(tmp_path, "volumes")[5][1]


def test_what_a_scanner_would_see():
    black = on_black(24)
    assert (black.min(), black.max()) == (0, pytest.approx(255, abs=8))
    level = np.full((40, 40, 40), 30.0)
    noisy = magnitudes(level, 20, 0).astype(np.float64)
    assert np.square(noisy).mean() == pytest.approx(30**2 + 2 * 20**2, rel=0.02)
    series = diffusion(0, (6, 12, 10), directions=5)
    assert (series.shape, series.dtype) == ((6, 12, 10, WITHOUT + 5), np.float32)
    np.testing.assert_array_equal(series[..., 0], series[..., WITHOUT - 1])
    assert (series[..., WITHOUT:] < series[..., :1]).all()
    assert series[..., WITHOUT:].std(axis=-1).mean() > 1


def test_the_others_are_told_what_kind_of_noise_it_is():
    assert [magnetic.ants(rician).filter.options["noise_model"] for rician in (False, True)] == ["Gaussian", "Rician"]
    pytest.importorskip("dipy")
    clean = diffusion(1, (6, 12, 12))
    noisy = magnitudes(clean, 20, 0)
    biased, mended = (magnetic.mppca(noisy, 20, rician) for rician in (False, True))
    assert abs((mended - clean).mean()) < abs((biased - clean).mean())
    flat = magnitudes(np.zeros((24, 24, 24)), 20, 0)
    assert magnetic.dipy_means(flat, None, True).mean() < magnetic.dipy_means(flat, 20, False).mean()


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_channels_share_as_much_as_is_said(correlation):
    found = np.corrcoef(shared.noise((200, 200), correlation, 0).reshape(-1, 3).T)
    np.testing.assert_allclose(found, correlation + (1 - correlation) * np.eye(3), atol=0.02)


def test_noise_that_channels_share(tmp_path, monkeypatch):
    (tmp_path / "Kodak24").mkdir()
    imsave(tmp_path / "Kodak24/1.png", COLOUR, check_contrast=False)
    monkeypatch.setattr(shared, "SHARED", (0.0, 0.5))
    monkeypatch.setattr(shared, "METHODS", {"the default": {}})
    record = made(tmp_path, "shared", "--data", str(tmp_path), "--side", "48")
    assert record["grey"][0]["grey"] == record["grey"][0]["held"]
    assert shown(tmp_path, "shared")[0] == ["PSNR in dB, correlation", "0", "0.5"]
    assert [row[0] for row in shown(tmp_path, "shared-untold")[2:]] == ["the default"]
    assert shown(tmp_path, "grey-as-colour")[2][3] == "0"


def test_loops(tmp_path, monkeypatch):
    for name, pixels in {
        "PolyU/x_real.png": NOISY, "PolyU/x_mean.png": COLOUR, "FMD/cell_noisy.png": NOISY[..., 0],
        "FMD/cell_gt.png": GREY,
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        imsave(tmp_path / name, pixels, check_contrast=False)
    monkeypatch.setattr(loops, "METHODS", {"fast": ("nlm", "fast")})
    monkeypatch.setattr(loops, "CORNERS", ((0, 0),))
    monkeypatch.setattr(loops, "QUALITIES", ("fast",))
    record = made(tmp_path, "loops", "--data", str(tmp_path), "--rounds", "1", "--sides", "96")
    (call,) = record["calls"]
    assert call["denoiser"]["peak"] < call["denoise"]["peak"]
    assert [len(rows) for rows in record["strengths"].values()] == [1, 1]
    assert [row[0] for row in shown(tmp_path, "loop-calls")[2:]] == ["fast, 96²"]
    assert len(shown(tmp_path, "strengths")) == 4
