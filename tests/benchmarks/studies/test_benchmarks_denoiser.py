"""What is measured of the learned denoiser: its suite, the quality study's table, and the ablation."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

import networks  # noqa: E402
from PIL import Image  # noqa: E402

from benchmarks import peers  # noqa: E402
from benchmarks.__main__ import main  # noqa: E402
from benchmarks.harness import tried  # noqa: E402
from benchmarks.harness.metrics import clipped_psnr  # noqa: E402
from benchmarks.harness.published import Published  # noqa: E402
from benchmarks.harness.runner import run_case  # noqa: E402
from benchmarks.harness.sets import standard  # noqa: E402
from benchmarks.peers.own import dncnn  # noqa: E402
from benchmarks.peers.plain import Plain  # noqa: E402
from benchmarks.studies import ablation  # noqa: E402
from benchmarks.suites.denoiser import CASES  # noqa: E402
from nlmeans import denoise  # noqa: E402
from nonlocal_block import NonLocalDenoiser, weights  # noqa: E402
from nonlocal_block.train import denoiser  # noqa: E402
from nonlocal_block.trained import Choice  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
GREY = CASES[0].quick()


@pytest.fixture
def data(tmp_path):
    """Return a folder of small pictures."""
    rng = np.random.default_rng(0)
    for name, count, shape in (("CBSD400_train", 9, (40, 44, 3)), ("BSD68", 2, (24, 17)), ("Set12", 10, (16, 24))):
        (tmp_path / name).mkdir()
        for k in range(count):
            pixels = np.kron(rng.integers(40, 215, [(side + 7) // 8 for side in shape[:2]]), np.ones((8, 8)))
            grey = pixels[: shape[0], : shape[1]].astype(np.uint8)
            Image.fromarray(np.stack([grey] * 3, 2) if len(shape) == 3 else grey).save(
                tmp_path / name / f"{k + 1:02}.png"
            )
    return tmp_path


def test_every_denoiser_that_is_installed_takes_part():
    (record,) = run_case(GREY, [peers.methods(Plain)[name] for name in GREY.methods], [1], 1)
    status = {method["name"]: (method["status"], method["reason"]) for method in record["methods"]}
    wanted = {name: ("measured", None) for name in GREY.methods}
    if status["bm3d"][0] == "skipped":
        wanted["bm3d"] = ("skipped", "bm3d cannot be imported: No module named 'bm3d'")
    assert status == wanted
    learned, network = (method for method in record["methods"] if method["name"] in ("learned", "dncnn"))
    assert learned["measures"]["psnr"]["median"] > 29
    assert {"dncnn", "nlmeans-balanced"} <= set(learned["ratios"])
    assert not network["own"]
    assert "patch_radius" not in record["parameters"]
    assert GREY.title == "grey 128×128, σ = 25"


def test_dncnn_is_the_published_architecture():
    network = dncnn()
    filters = [part for part in network if isinstance(part, torch.nn.Conv2d)]
    assert len(filters) == 17
    assert sum(f.weight.numel() for f in filters) == 15 * 64 * 64 * 9 + 2 * 64 * 9
    assert network(torch.zeros(1, 1, 8, 9)).shape == (1, 1, 8, 9)


def test_the_ablation_trains_what_is_missing_and_says_what_is_gained(data, tmp_path, monkeypatch, capsys):
    small = denoiser.Recipe(steps=1, batch=1, side=32)
    monkeypatch.setattr(denoiser, "Recipe", lambda: small)
    out = tmp_path / "ablation.json"
    similar = ("Set12 02.png", "Set12 09.png", "skimage page")
    arguments = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--epochs", "1"]
    assert ablation.main([*arguments, "--only", "raw-1", "--out", str(out)], similar) == 0
    assert not out.exists()
    assert ablation.main([*arguments, "--out", str(out)], similar) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        f"{variant}-{seed}" for variant in ("learned", "none", "raw") for seed in (0, 1)
    ]
    found = json.loads(out.read_text(encoding="utf-8"))
    assert len(found["pictures"]["raw-0"]["self-similar σ=25"]) == 3
    for seed in (0, 1):
        own, other = (
            np.mean(list(found["pictures"][f"{variant}-{seed}"]["BSD68 σ=50"].values()))
            for variant in ("learned", "none")
        )
        assert found["gain"]["learned over none"]["BSD68 σ=50"][seed] == pytest.approx(own - other, abs=2e-4)
    assert "| learned over raw |" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        ablation.main([*arguments, "--only", "nothing"])


def test_the_ablation_of_the_small_network_trains_all_that_is_tried(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tried, "RECIPE", denoiser.Recipe(steps=1, batch=1, side=32, filters=0.1))
    monkeypatch.setattr(tried, "AROUND", 4)
    monkeypatch.setattr(ablation, "SIDE", 16)
    narrow = {"widths": (8, 8, 8)}
    trials = {
        "plain": tried.Trial(narrow),
        "pilot nlm": tried.Trial(narrow, pilot="nlm"), "as slow as pilot nlm": tried.Trial({"widths": (9, 8, 8)}),
        "stage twice": tried.Trial(narrow, twice=True), "loss in dB": tried.Trial(narrow, decibels=True),
        "half the steps": tried.Trial(narrow, length=0.5, part=0.5),
    }  # fmt: skip
    monkeypatch.setattr(tried, "TRIALS", trials)
    (tmp_path / "0.1.0").mkdir()
    out = tmp_path / "0.1.0" / "ablation-fast.json"
    arguments = ["--fast", "--data", str(data), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    assert ablation.main(arguments, ("Set12 02.png",)) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert list(found["psnr"]) == list(found["milliseconds"]) == list(trials)
    assert list(found["gain"]) == [*list(trials)[1:], "pilot nlm at equal time"]
    for name, each in found["gain"]["pilot nlm at equal time"].items():
        own, other = (found["psnr"][variant][name] for variant in ("pilot nlm", "as slow as pilot nlm"))
        assert each == pytest.approx(np.subtract(own, other), abs=2e-4)
    assert list(each for each in found["psnr"]["plain"]) == [
        *(f"held back σ={sigma}" for sigma in (15, 25, 50)), "self-similar σ=25"
    ]  # fmt: skip
    assert "| pilot nlm at equal time |" in capsys.readouterr().out
    first, *others = ablation.gains(Published(tmp_path), "ablation-fast")
    assert first["gain of"] == "(dB of plain)"
    assert first["512², 1 thread"] == f"{found['milliseconds']['plain']:.0f} ms"
    assert [row["gain of"] for row in others] == list(found["gain"])
    assert others[-1]["512², 1 thread"] == ""
    assert ablation.main([*arguments, "--variants", "plain", "stage twice"], ("Set12 02.png",)) == 0
    assert list(json.loads(out.read_text(encoding="utf-8"))["gain"]) == ["stage twice"]
    with pytest.raises(SystemExit):
        ablation.main([*arguments, "--variants", "plain", "none"])


@pytest.mark.parametrize("pilot", [None, "nlm", "ridge"])
def test_a_network_starts_from_its_pilot(pilot):
    network = tried.Trial({"widths": (8, 8, 8)}, pilot=pilot).made()
    x = torch.rand(1, 1, 21, 26, generator=torch.manual_seed(0))
    with torch.no_grad():
        result = network(x, 0.1)
    start = (
        x[0, 0] if pilot is None else denoise(x[0, 0].numpy(), sigma=0.1, method=pilot, quality=tried.QUALITY[pilot])
    )
    np.testing.assert_allclose(result[0, 0], start, atol=1e-6)


def test_a_second_stage_takes_its_weights_from_the_first_result():
    network = tried.Trial({"widths": (8, 8, 8)}, twice=True).made()
    x = torch.rand(1, 1, 16, 16, generator=torch.manual_seed(0))
    network.heads[0].weight.data.normal_(0, 0.1)
    network.heads[1].weight.data.normal_(0, 0.1)
    guides = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _, given, result: guides.append(given[1][:, :4]))
    network(x, 0.1)
    noisy = torch.nn.functional.pixel_unshuffle(x, 2)
    torch.testing.assert_close(guides[0], noisy)
    assert (guides[1] - noisy).abs().max() > 1e-3


def test_weights_are_measured_before_they_are_shipped(data, tmp_path, monkeypatch, capsys):
    place = tmp_path / "weights"
    place.mkdir()
    monkeypatch.setattr(weights, "FOLDER", place)
    options = {"channels": 1, "widths": (8, 8, 8), "blocks": (0, 0, 0), "last": 0}
    weights.save(tmp_path / "run.safetensors", NonLocalDenoiser(**options), options, {"seed": 3})
    arguments = ["ship", str(tmp_path / "run.safetensors"), "--data", str(data)]
    assert main([*arguments, "--dry-run"]) == 0
    assert not list(place.iterdir())
    assert main(arguments) == 0
    given, state, notes = weights.shipped("denoiser-grey", "NonLocalDenoiser")
    assert given["widths"] == [8, 8, 8]
    assert state["stem.weight"].dtype == torch.float16  # nothing was trained, so that nothing moves
    assert {"licence", "pictures", "earlier", "seed"} <= set(notes)
    assert set(notes["test"]) == {f"{name} σ={sigma}" for name in ("Set12", "BSD68") for sigma in (15, 25, 50)}
    assert notes["test_means"]["BSD68 σ=25"] == pytest.approx(np.mean(list(notes["test"]["BSD68 σ=25"].values())))
    assert notes["test_means"]["BSD68 σ=25"] == pytest.approx(20.2, abs=0.5)  # the noise, clipped
    assert "float16 moves no mean by 0.005 dB" in capsys.readouterr().out


def test_a_mixer_is_measured_with_the_networks_that_it_mixes(data, tmp_path, monkeypatch):
    place = tmp_path / "weights"
    place.mkdir()
    (data / "Kodak24").mkdir()
    colours = np.random.default_rng(1).integers(0, 255, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(colours).save(data / "Kodak24" / "1.png")
    networks.install(monkeypatch)
    monkeypatch.setattr(weights, "FOLDER", place)
    weights.save(tmp_path / "mixer.safetensors", networks.lively_mixer(), {"width": 8}, {"seed": 3})
    assert main(["ship", str(tmp_path / "mixer.safetensors"), "--mixer", "--data", str(data)]) == 0
    given, _, notes = weights.shipped("denoiser-mixer", "Mixer")
    assert given == {"width": 8}
    assert set(notes["test"]) == {f"{name} σ={s}" for name in ("Set12", "BSD68", "Kodak24") for s in (15, 25, 50)}
    ((_, noisy, clean),) = standard(data / "Kodak24", 25)
    x = torch.from_numpy(noisy.transpose(2, 0, 1).copy())[None]
    with torch.inference_mode():
        one = Choice(3).load()(x / 255, 25 / 255)
        other = denoise(x[0].numpy(), 25, method="ridge", quality="fast", channel_axis=0)
        mix = networks.lively_mixer()(x / 255, 25 / 255, one, torch.from_numpy(other / 255)[None])
    found = clipped_psnr(255 * mix[0].numpy().transpose(1, 2, 0), clean)
    assert next(iter(notes["test"]["Kodak24 σ=25"].values())) == pytest.approx(found, abs=0.01)


def test_sheets_show_every_method(tmp_path):
    assert main(["pictures", "--only", "text", "--sigma", "20", "40", "--out", str(tmp_path)]) == 0
    with Image.open(tmp_path / "text.jpg") as sheet:
        assert sheet.size == (10 + 5 * (320 + 10), 2 * (224 + 24 + 10))
        first, last = (np.asarray(sheet)[30:240, k * 330 + 20 : k * 330 + 320].astype(float) for k in (0, 4))
    assert np.abs(np.diff(first, axis=1)).mean() > 1.5 * np.abs(np.diff(last, axis=1)).mean()
