"""The denoiser that comes with the package: what it reaches, and the ways to it."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

import skimage.data  # noqa: E402
from PIL import Image  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import nlmeans  # noqa: E402
import nonlocal_block  # noqa: E402
from nlmeans.cli import app  # noqa: E402
from nlmeans.methods.part import SHADES  # noqa: E402
from nonlocal_block import _planes, method, weights  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def noisy(clean, sigma):
    return clean + np.random.default_rng(0).normal(0, sigma, clean.shape).astype(clean.dtype)


def psnr(image, clean):
    return 10 * np.log10(255**2 / np.mean((np.clip(image, 0, 255).astype(np.float64) - clean) ** 2))


def named(grey, axis):
    """Return the checkpoints that a report names for a picture."""
    names = [grey] if axis is None else [grey, "denoiser-differences"]
    if grey == "denoiser-grey":
        names.append("denoiser-mixer")
    return tuple(f"{name} {weights.digest(name)[:8]}" for name in names)


@pytest.fixture(scope="module", params=["grey", "colour"])
def picture(request):
    """Return a photograph that no network was trained on, and where its channels are."""
    if request.param == "grey":
        return skimage.data.camera()[100:292, 150:342].astype(np.float32), None
    return skimage.data.astronaut()[:192, 130:322].astype(np.float32), -1


@pytest.mark.parametrize(("sigma", "gain"), [(5, -0.3), (15, 0.05), (25, 0.2), (50, 0.2), (75, 0.2)])
def test_it_is_better_than_the_best_classical_one_but_where_there_is_little_noise(picture, sigma, gain):
    clean, axis = picture
    image = noisy(clean, sigma)
    learned = psnr(nonlocal_block.denoise(image, sigma, channel_axis=axis, threads=1), clean)
    classical = psnr(nlmeans.denoise(image, sigma, channel_axis=axis, quality="best"), clean)
    assert learned > classical + gain
    estimated = psnr(nonlocal_block.denoise(image, channel_axis=axis, threads=1), clean)
    assert estimated > learned - 0.15  # one picture; the mean over BSD68 is in the benchmarks' results


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_the_small_network_comes_between_the_classical_and_the_large_one(picture, sigma):
    clean, axis = picture
    image = noisy(clean, sigma)
    large, (small, report) = (
        nonlocal_block.denoise(image, sigma, channel_axis=axis, threads=1, quality=quality, full_output=more)
        for quality, more in (("balanced", False), ("fast", True))
    )
    assert report.weights == named("denoiser-grey-fast", axis)
    assert psnr(large, clean) > psnr(small, clean) > psnr(large, clean) - 0.7
    name = "nlm" if axis else "ridge"
    classical = nlmeans.denoise(image, sigma, channel_axis=axis, method=name, quality="fast")
    assert psnr(small, clean) > psnr(classical, clean)


def test_the_small_network_multiplies_a_fifth_as_often():
    def products(network):
        """Return the multiplications of its layers, and those of the stage's pairs."""
        count = 0

        def add(layer, given, made):
            nonlocal count
            sites = given[0] if isinstance(layer, torch.nn.ConvTranspose2d) else made
            count += layer.weight.numel() * sites.shape[-1] * sites.shape[-2]

        hooks = [layer.register_forward_hook(add) for layer in network.modules() if hasattr(layer, "kernel_size")]
        with torch.inference_mode():
            network(torch.rand(1, 1, 64, 64), 0.1)
        for hook in hooks:
            hook.remove()
        stage = network.stage
        terms = stage.embed.weight.shape[0] + network.phases + network.more
        return count + 32 * 32 * (2 * stage.search_radius + 1) ** 2 * terms

    small, large = (nonlocal_block.load_denoiser(fast=fast)[0] for fast in (True, False))
    assert products(small) <= products(large) / 5


def test_nearly_nothing_changes_where_there_is_nearly_no_noise(picture):
    clean, axis = picture
    for sigma in (1e-7, 1e-4, 0.01, 0.1, 1.0):
        image = noisy(clean.astype(np.float64), sigma)
        for level in (sigma, np.full(clean.shape[:2], sigma)):
            found = nonlocal_block.denoise(image, level, channel_axis=axis, threads=1)
            assert np.sqrt(np.mean((found - clean) ** 2)) < 1.2 * sigma
    big = (clean * 2.0**23).astype(np.uint32)
    assert np.abs(nonlocal_block.denoise(big, 100, channel_axis=axis, threads=1).astype(float) - big).max() < 100


def test_flat_noise_becomes_flat():
    for level in (0.0, 100.0, 1000.0):
        image = noisy(np.full((96, 96), level, np.float32), 20)
        found = nonlocal_block.denoise(image, 20, threads=1)
        assert found.std() < 2.5
        assert abs(found.mean() - level) < 1


@pytest.mark.parametrize("sigma", [3, 25, 75])
def test_tiles_do_not_show(picture, sigma):
    clean, axis = picture
    clean = np.concatenate([clean[:40], clean[40:80], clean[80:120]], axis=1)  # so wide that no tile sees all
    image = noisy(clean, sigma)
    whole = nonlocal_block.denoise(image, sigma, channel_axis=axis, threads=1)
    parts = nlmeans.denoise(image, sigma, method=method.Learned(tile=200), channel_axis=axis, threads=1)
    assert np.abs(whole - parts).max() <= 0.01


def test_any_scale(picture):
    clean, axis = picture
    image = noisy(clean, 25)
    ref = nonlocal_block.denoise(image, 25, channel_axis=axis, threads=1)
    for a, b in ((1 / 255, 0.0), (16.0, 300.0), (2.0, -1024.0)):
        found = nonlocal_block.denoise(a * image + b, a * 25, channel_axis=axis, threads=1)
        change = np.abs((found - b) / a - ref)
        assert change.mean() < 0.01
        assert change.max() < 1  # σ is 25: of nearly equal patches, ridge may choose another


def test_it_is_a_method_of_the_classical_call(picture):
    clean, axis = picture
    image = noisy(clean, 25)
    expected = nonlocal_block.denoise(image, 25, channel_axis=axis, threads=1)
    found, report = nlmeans.denoise(image, 25, channel_axis=axis, threads=1, method="learned", full_output=True)
    np.testing.assert_array_equal(found, expected)
    assert report.weights == named("denoiser-grey", axis)
    with pytest.raises(TypeError, match="method 'learned' has no option patch_radius"):
        nlmeans.denoise(image, 25, channel_axis=axis, method="learned", patch_radius=2)


def test_on_the_command_line(tmp_path):
    pixels = np.clip(noisy(skimage.data.camera()[:64, :80].astype(np.float32), 20), 0, 255).astype(np.uint8)
    source, target = tmp_path / "noisy.png", tmp_path / "clean.png"
    Image.fromarray(pixels).save(source)
    done = CliRunner().invoke(app, ["denoise", str(source), str(target), "--method", "learned", "-v", "--threads", "1"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "learned, denoiser-grey" in done.stdout
    assert "(estimated)" in done.stdout
    with Image.open(target) as image:
        np.testing.assert_array_equal(np.asarray(image), nonlocal_block.denoise(pixels, threads=1))
    done = CliRunner().invoke(app, ["denoise", str(source), str(target), "--method", "learned", "--patch-radius", "2"])
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("torch", "nonlocal_block needs PyTorch, which is not installed: pip install 'nlmeans[learned]'"),
        ("safetensors", "checkpoints need safetensors, which is not installed: pip install 'nlmeans[learned]'"),
    ],
)
def test_without_the_extra_one_line_names_it(tmp_path, missing, words):
    Image.fromarray(np.zeros((9, 9), np.uint8) + np.arange(9, dtype=np.uint8)).save(tmp_path / "a.png")
    code = (
        f"import sys; sys.modules[{missing!r}] = None; import nlmeans.cli; "
        "sys.argv[1:] = ['denoise', 'a.png', 'b.png', '--sigma', '5', '--method', 'learned']; nlmeans.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"nlmeans: a.png: {words}\n"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("channels", "folder", "fast"), [(1, "Set12", False), (1, "Set12", True), (3, "Kodak24", False)]
)
def test_the_figures_that_it_is_shipped_with(shared, channels, folder, fast):
    from benchmarks.harness.sets import standard

    network, notes = nonlocal_block.load_denoiser(channels, fast=fast)
    figures = notes["test"][f"{folder} σ=25"]
    for name, image, clean in list(standard(shared / folder, 25))[:3]:
        planes = torch.from_numpy(np.atleast_3d(image).transpose(2, 0, 1).copy())[None]
        with torch.inference_mode():
            found = network(planes / 255, 25 / 255)[0].numpy().transpose(1, 2, 0) * 255
        assert psnr(found, np.atleast_3d(clean)) == pytest.approx(figures[name], abs=0.01)


def test_low_counts_keep_their_shades_in_floats():
    counts = (np.random.default_rng(0).random((40, 40)) < 0.06).astype("u1")
    result, report = nlmeans.denoise(counts, 0.25, method="learned", dtype="f4", full_output=True)
    assert result.dtype == np.float32
    assert np.unique(result).size > 9
    assert SHADES not in report.notes
    whole, report = nlmeans.denoise(counts, 0.25, method="learned", full_output=True)
    assert whole.dtype == counts.dtype
    assert SHADES in report.notes
    np.testing.assert_array_equal(whole, np.rint(result))


def test_a_tile_is_stopped_between_layers(monkeypatch):
    monkeypatch.setattr(_planes, "TICK", 0.0)
    calls, image = [], np.full((64, 64), 100.0) + np.random.default_rng(0).normal(0, 10, (64, 64))
    nlmeans.denoise(image, 10, method="learned", progress=lambda *at: calls.append(at), threads=1)
    assert len(calls) > 20
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]
    event = threading.Event()
    with pytest.raises(nlmeans.Cancelled):
        nlmeans.denoise(image, 10, method="learned", progress=lambda *_: event.set(), cancel=event, threads=1)
    network = method._loaded(1, torch.device("cpu"), "balanced")
    assert not any(layer._forward_pre_hooks for layer in network.modules())


def test_a_progress_function_may_denoise_too(monkeypatch):
    monkeypatch.setattr(_planes, "TICK", 0.0)
    image, inner = np.full((40, 40), 100.0) + np.random.default_rng(0).normal(0, 10, (40, 40)), []

    def again(done, total):
        if not inner:
            inner.append(None)
            inner[0] = nlmeans.denoise(image, 10, method="learned", threads=1)

    outer = nlmeans.denoise(image, 10, method="learned", threads=1, progress=again)
    np.testing.assert_array_equal(inner[0], outer)
