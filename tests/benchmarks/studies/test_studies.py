"""The studies on standard sets run, on sets of a few small pictures."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from skimage.io import imsave

import nlmeans
from benchmarks.__main__ import main
from benchmarks.harness import made_up
from benchmarks.studies import errors, misjudged, stripes, structured, tune, tune_kept, tune_ridge, tune_vanish

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


def test_sure(data):
    rows = run(data, "sure", "--every", "2")["results"]
    assert [row["pictures"] for row in rows] == [1] * 6
    assert all(row["gap_db"] < 1.5 for row in rows)


def test_errors_are_within_their_map(data, monkeypatch):
    for name, value in {"METHODS": (("nlm", "fast"),), "SIGMAS": (10,), "FIRST": 0, "STEP": 1}.items():
        monkeypatch.setattr(errors, name, value)
    rows = run(data, "errors", "--sets", "Train400", "CBSD400_train")["results"]
    assert [row["pictures"] for row in rows] == [2, 2, 1, 1]
    assert all(50 < row["within"] < 95 and 85 < row["within_196"] <= 100 for row in rows)


def test_a_sigma_that_is_wrong_costs(tmp_path):
    pytest.importorskip("torch")
    assert main(["misjudged", "--side", "64", "--out", str(tmp_path / "out.json")]) == 0
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert len(record["results"]) == len(misjudged.PICTURES) * len(misjudged.CALLS)
    middle = record["factors"].index(1.0)
    for row in record["results"]:
        assert row["psnr"][middle] > max(row["psnr"][0], row["psnr"][-1]) - 0.1


def test_structured_noise(data, monkeypatch):
    monkeypatch.delenv("NLMEANS_PEERS", raising=False)
    monkeypatch.setattr(structured, "KINDS", ("line",))
    monkeypatch.setattr(structured, "CALLS", {"the default": {}})
    record = run(data, "structured", "--side", "40")
    one, known = (row["psnr"] for row in record["spectra"][:2])
    assert known > one


def test_stripes(data, monkeypatch):
    monkeypatch.delenv("NLMEANS_PEERS", raising=False)
    monkeypatch.setattr(stripes, "SIGMAS", (10.0,))
    monkeypatch.setattr(stripes, "STRENGTHS", (0.0, 2.0))
    slanted = (120 + 60 * np.sin(X / 6.0 + Y / 9.0)).astype(np.uint8)  # what is alike along columns would be stripes
    imsave(data / "CBSD400_train/1.jpg", np.stack([slanted] * 3, axis=-1), check_contrast=False)
    found = {(row["stripes"], row["strength"], row["method"]): row["psnr"] for row in run(data, "stripes")["cases"]}
    for kind in ("white", "sinogram", "camera"):
        strength = 2.0 if kind == "white" else 1.0
        assert found[kind, strength, "fast, auto removal"] > found[kind, strength, "fast, no removal"] + 1
    assert found["white", 0.0, "fast, auto removal"] == found["white", 0.0, "fast, no removal"]


@pytest.mark.parametrize("kind", structured.KINDS)
def test_noise_has_the_spectrum_that_is_said(kind):
    noises = [structured.noise(kind, (64, 48), seed) for seed in range(200)]
    power = np.mean([np.abs(np.fft.fft2(noise)) ** 2 / noise.size for noise in noises], axis=0)
    np.testing.assert_allclose(power, structured.spectrum(kind, (64, 48)), rtol=0.45, atol=0.02)


def test_tune(data):
    rows = run(data, "tune", "--images", "2", "--kinds", "grey", "colour", "--sigmas", "20")["results"]
    assert [(row["kind"], row["column"]) for row in rows] == [(k, c) for k in ("grey", "colour") for c in tune.COLUMNS]
    assert all(row["rows"][0]["psnr"] >= row["rows"][1]["psnr"] for row in rows)


def test_what_best_keeps_is_tuned_on_training_pictures(data):
    results = run(data, "tune-kept", "--images", "1", "--sigmas", "20")["results"]
    (result,) = results
    assert [(row["kept"], row["wiener"]) for row in result["rows"]] == list(product(tune_kept.KEPT, tune_kept.WIENER))
    assert all(
        row["gain"] == row["least"] and row["losses"] == (row["least"] < -tune_kept.LOSS) for row in result["rows"]
    )


def test_classifier(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    from benchmarks.studies import classifier
    from nonlocal_block.train.classifier import RECIPES

    rng = np.random.default_rng(0)
    for name, count in (("train", 60), ("t10k", 40)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = (40 * labels[:, None] % 251 + rng.integers(0, 5, (count, 784))).astype(np.uint8)
        header = np.array([0x803, count, 28, 28], ">u4").tobytes()
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(
            np.array([0x801, count], ">u4").tobytes() + labels.tobytes()
        )
    claims = {(1, "test"): 0.96, (3, "test"): 0.99}
    schedule = classifier.Schedule({1: 3, 2: 2}, long=3, fair=1, trial=1, changes=("as it is",), claims=claims)
    monkeypatch.setitem(RECIPES, "fair", replace(RECIPES["fair"], validation=20))

    options = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out.json")]
    assert classifier.main([*options, "--only", "none-*"], schedule) == 0
    assert not (tmp_path / "out.json").exists()
    before = (tmp_path / "runs/none-0/log.csv").stat().st_mtime_ns
    assert classifier.main(options, schedule) == 0
    assert (tmp_path / "runs/none-0/log.csv").stat().st_mtime_ns == before  # was read, not trained again
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))

    one, two = found["comparisons"]
    assert (one["epochs"], one["seeds"], two["epochs"], two["seeds"]) == (1, 3, 2, 2)
    logs = found["logs"]
    ours = [logs[f"gaussian-{seed}"][0]["test_accuracy"] for seed in range(3)]
    none = [logs[f"none-{seed}"][0]["test_accuracy"] for seed in range(3)]
    assert one["accuracy"]["gaussian"]["test"]["mean"] == pytest.approx(np.mean(ours), abs=1e-5)
    assert one["accuracy"]["gaussian"]["test"]["sd"] == pytest.approx(np.std(ours, ddof=1), abs=1e-5)
    gain = one["gain"]["gaussian over none"]["test"]
    assert gain["mean"] == pytest.approx(np.mean(np.subtract(ours, none)), abs=1e-5)
    assert len(logs["embedded_gaussian-0"]) == 3
    assert found["claims"][1]["found"]["mean"] == pytest.approx(logs["embedded_gaussian-0"][2]["test_accuracy"])
    assert "test_accuracy" not in found["own_recipe"]["trial-as-it-is"]
    assert (
        found["own_recipe"]["fair-embedded_gaussian-0"]["test_accuracy"]
        == logs["fair-embedded_gaussian-0"][-1]["test_accuracy"]
    )
    shown = capsys.readouterr().out
    assert "the function matters little" in shown
    assert "not looked at" in shown


def test_the_verdict_on_functions():
    from benchmarks.studies.classifier import FUNCTIONS, kinds

    def verdict(means, sd, gain):
        accuracy = {block: {"test": {"mean": m, "sd": sd}} for block, m in zip(FUNCTIONS, means, strict=True)}
        gains = {f"{block} over none": {"test": {"mean": gain}} for block in FUNCTIONS}
        return kinds(accuracy, gains, "test")["holds"]

    near = (0.990, 0.991, 0.9905, 0.990)
    assert verdict(near, 0.002, 0.003)
    assert not verdict(near, 0.0005, 0.003)  # functions differ by more than seeds do
    assert not verdict(near, 0.002, 0.0005)  # by more than a block gains


def test_tuning_of_ridge_changes_one_number_at_a_time(data):
    numbers = ("second.sparse", "first.stride", "second.stride")
    flags = ["--sigmas", "20", "--qualities", "fast", "--images", "2", "--numbers", *numbers]
    results = run(data, "tune-ridge", *flags)["results"]
    assert [(row["kind"], row["number"]) for row in results] == [
        (kind, number) for kind in ("grey", "colour") for number in ("as it is", *numbers)
    ]
    assert [one["value"] for one in results[1]["rows"]] == [False, True]
    assert all(len({one["psnr"] for one in row["rows"]}) > 1 for row in results[1:4])
    jpeg = run(data, "tune-ridge", "--kinds", "jpeg75", *flags[:-3], "correlated")["results"]
    assert [len(row["rows"]) for row in jpeg] == [1, len(tune_ridge.GRID["correlated"])]
    assert len({one["psnr"] for one in jpeg[1]["rows"]}) > 3
    assert jpeg[0]["rows"][0]["psnr"] != results[4]["rows"][0]["psnr"]  # the noise of a file is another
    spec = nlmeans.plan(GREY, 20, method="ridge").ridge
    assert tune_ridge.changed(spec, "share", 0.3) == replace(spec, share=0.3)
    wider = tune_ridge.changed(spec, "second.search_radius", 5)
    assert wider == replace(spec, second=replace(spec.second, search_radius=(0, 5, 5)))


def test_tuning_of_ridge_takes_volumes_that_are_made_up(data):
    flags = ["--sigmas", "20", "--qualities", "fast", "--images", "1", "--numbers", "share", "second.patch"]
    _, shares, patches = run(data, "tune-ridge", "--kinds", "volume", *flags)["results"]
    assert [row["value"] for row in shares["rows"]] == list(tune_ridge.VOLUME_GRID["share"])
    assert len({row["psnr"] for row in patches["rows"]}) == 3
    spec = nlmeans.plan(np.zeros((9, 9, 9)), 20, method="ridge", axes="ZYX").ridge
    deeper = tune_ridge.changed(spec, "first.stride", 2)
    assert deeper == replace(spec, first=replace(spec.first, stride=(2, 2, 2)))


def test_volumes_that_are_made_up_are_the_same_each_time_and_differ():
    three, again = made_up.volumes(3, side=24), made_up.volumes(3, side=24)
    for one, same, other in zip(three, again, three[1:] + three[:1], strict=True):
        assert (one.shape, one.dtype) == ((24, 24, 24), np.float32)
        assert one.std() > 3
        assert np.abs(one - other).mean() > 3
        np.testing.assert_array_equal(one, same)


def test_stages_of_ridge_add_up(tmp_path, capsys):
    path, few = tmp_path / "stages.json", ["--rounds", "1", "--repeats", "3"]
    assert main(["ridge-stages", "--side", "64", "--quality", "fast", *few, "--out", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    whole = [row for row in found["stages"] if not row.get("part")]
    assert [row["stage"] for row in whole] == [
        "non-local means", "step 1: matching", "step 1: groups", "step 2: matching", "step 2: groups"
    ]  # fmt: skip
    assert sum(row["share"] for row in whole) == pytest.approx(1)
    assert found["seconds"] == pytest.approx(sum(row["seconds"] for row in whole))
    inverting = next(row for row in found["stages"] if row["stage"] == "step 2: invert")
    assert inverting["each"] == 48**3 / 2
    assert inverting["of_peak"] == pytest.approx(
        inverting["each"] * inverting["groups"] / inverting["seconds"] / found["peak"]
    )
    assert "| step 2: matching |" in capsys.readouterr().out


def test_where_weights_end_is_tuned_on_training_pictures(data):
    flags = ("--images", "1", "--kinds", "grey", "--sigmas", "20", "--methods", "nlm")
    results = run(data, "tune-vanish", *flags)["results"]
    assert [row["quality"] for row in results] == ["fast", "balanced", "best"]
    assert all(list(row["gains"]) == [str(end) for end in tune_vanish.ENDS] for row in results)
    assert all(row["gains"]["-32"] == 0 != row["gains"]["-6"] for row in results)
