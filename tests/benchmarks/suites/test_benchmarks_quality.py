"""Pictures by the set: dB, SSIM and time of every method, bad files, and runs that go on where others stopped."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from skimage import metrics
from skimage.io import imsave

from benchmarks import peers
from benchmarks.__main__ import main
from benchmarks.harness import running, schema
from benchmarks.harness.methods import Call
from benchmarks.harness.metrics import ssim
from benchmarks.harness.runner import run_case
from benchmarks.harness.sets import PHANTOMS, QUICK_SIDE, SAMPLES, samples, standard
from benchmarks.peers.plain import TUNED, Peer, Plain, read, tuned
from benchmarks.suites.quality import KNOWN, VOLUMES, quality
from benchmarks.suites.real import BLIND, PHOTOGRAPHS, real

pytestmark = pytest.mark.slow

PLAIN = peers.methods(Plain)
Y, X = np.mgrid[:64, :72]
GREY = (120 + 60 * np.sin(X / 6.0) + 50 * (Y > 30)).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
NOISY = np.clip(COLOUR + np.random.default_rng(0).normal(0, 6, COLOUR.shape), 0, 255).astype(np.uint8)
FAST = "noisy,nlmeans-fast,skimage-tv"


@pytest.fixture
def data(tmp_path):
    pictures = {
        "Set12/01.png": GREY, "BSD68/a.png": GREY, "BSD68/b.png": GREY.T, "Kodak24/1.png": COLOUR,
        "PolyU/x_real.JPG": NOISY, "PolyU/x_mean.JPG": COLOUR, "FMD/cell_noisy.png": NOISY, "FMD/cell_gt.png": COLOUR,
        "FMD/dish_001_noisy.png": NOISY[..., 0], "FMD/dish_avg50_gt.png": GREY,
    }  # fmt: skip
    for name, pixels in pictures.items():
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True, parents=True)
        imsave(tmp_path / "data" / name, pixels, check_contrast=False)
    return tmp_path / "data"


def run(folder, *arguments, code=0):
    alone = ["--against", "none"] if arguments[0] == "real" else []
    assert main([*arguments, *alone, "--threads", "1", "--out", str(folder)]) == code
    return schema.read(folder / f"{arguments[0]}.json")


@dataclass(frozen=True)
class Wild(Plain):
    """Answers with what a test chooses."""

    answer: object = None

    def call(self, case, image, sigma, threads):
        return Call(lambda noisy: self.answer(noisy), "wild", image, {})


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suite", "only"),
    [
        ("quality", "BSD68-25"),
        ("real", "PolyU"),
        ("real", "FMD"),
        ("real", "Kodak24-5-jpeg75"),
    ],
)
def test_every_method_on_every_kind_of_set(data, tmp_path, suite, only):
    (case,) = run(tmp_path / "out", suite, "--data", str(data), "--only", only)["cases"]
    assert case["pictures"]
    for method in case["methods"]:
        if method["status"] == "skipped":
            assert "pip install" in method["install"]
            continue
        assert method["status"] == "measured", method["reason"]
        assert len(method["measures"]["psnr"]["values"]) == len(case["pictures"])
        assert all(10 < value < 90 for value in method["measures"]["psnr"]["values"])
        assert all(0 < value <= 1 for value in method["measures"]["ssim"]["values"])
        assert ("seconds" in method["measures"]) == (method["name"] != "noisy")
    grey = peers.entering(Plain, "grey") if suite == "quality" else ()
    names = [method["name"] for method in case["methods"] if method["name"] not in grey]
    assert names == list(KNOWN if suite == "quality" else PHOTOGRAPHS if only == "PolyU" else BLIND)


def test_figures_are_those_of_the_answers(data, tmp_path):
    found = run(tmp_path, "quality", "--data", str(data), "--only", "BSD68-25", "--methods", FAST)
    methods = {method["name"]: method for method in found["cases"][0]["methods"]}
    for k, (name, noisy, clean) in enumerate(standard(data / "BSD68", 25)):
        assert name == found["cases"][0]["pictures"][k]
        ref = metrics.peak_signal_noise_ratio(clean, np.clip(noisy, 0, 255).astype(float), data_range=255)
        assert methods["noisy"]["measures"]["psnr"]["values"][k] == pytest.approx(ref, abs=1e-3)
    assert ssim(COLOUR.astype(float), COLOUR.astype(float)) == 1


def test_pictures_that_come_along_need_no_folder(tmp_path):
    found = run(tmp_path, "quality", "--quick", "--sigma", "20", "--methods", FAST)
    assert [case["name"] for case in found["cases"]] == [f"{name}-20" for name in (*SAMPLES, *PHANTOMS)]
    for case in found["cases"]:
        noisy, *others = case["methods"]
        assert all(method["measures"]["psnr"]["median"] > noisy["measures"]["psnr"]["median"] + 3 for method in others)
    assert samples("camera", 20.0, None, QUICK_SIDE, None)[0].load()[0].shape == (QUICK_SIDE, QUICK_SIDE)


def test_noise_is_the_same_at_every_run_and_starts_anew_for_every_picture(data):
    for _ in range(2):
        for k, (_, noisy, clean) in enumerate(standard(data / "BSD68", 25)):
            ref = clean + np.random.default_rng(1000 + k).normal(0, 25, clean.shape)
            assert np.allclose(noisy, ref, atol=1e-4)


def test_a_set_that_is_not_there_is_a_visible_skip(data, tmp_path):
    (case,) = run(tmp_path, "real", "--only", "PolyU", "--methods", FAST)["cases"]
    assert {method["status"] for method in case["methods"]} == {"skipped"}
    assert "PolyU does not come along: --data names the folder that holds it" in case["methods"][0]["reason"]


def test_volumes_are_measured_in_slices_and_as_a_whole():
    (case,) = (replace(case.quick(), side=12) for case in quality(None, None) if case.source == "phantom")
    methods = [PLAIN[name] for name in VOLUMES if PLAIN[name].missing() is None]
    (record,) = run_case(case, methods, [1], 1)
    assert {method["status"] for method in record["methods"]} == {"measured"}


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_picture_is_named_and_the_others_are_measured(data, tmp_path, capsys):
    (data / "BSD68" / "aa.png").write_bytes(b"no picture")
    (case,) = run(tmp_path, "quality", "--data", str(data), "--only", "BSD68-25", "--methods", FAST, code=1)["cases"]
    assert case["pictures"] == ["a.png", "b.png"]
    assert [picture["name"] for picture in case["unreadable"]] == ["aa.png"]
    assert "aa.png cannot be read as a picture" in capsys.readouterr().err
    assert "aa.png" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (COLOUR, "must be an 8-bit picture, grey; got uint8 of shape (64, 72, 3)"),
        (GREY.astype(np.uint16), "grey; got uint16 of shape (64, 72)"),
    ],
)
def test_a_picture_of_another_kind_is_named(pixels, words, data, tmp_path):
    imsave(data / "BSD68" / "c.png", pixels, check_contrast=False)
    (case,) = run(tmp_path, "quality", "--data", str(data), "--only", "BSD68-25", "--methods", FAST, code=1)["cases"]
    assert words in case["unreadable"][0]["reason"]


def test_a_damaged_picture_and_an_empty_set_are_named(data, tmp_path):
    whole = (data / "Set12" / "01.png").read_bytes()
    (data / "Set12" / "02.png").write_bytes(whole[:40] + b"XXXX" + whole[44:])
    (data / "Kodak24" / "1.png").unlink()
    asked = ["quality", "--data", str(data), "--only", "Set12-25,Kodak24-25", "--methods", "noisy,nlmeans-fast"]
    first, second = run(tmp_path, *asked, code=1)["cases"]
    assert "02.png cannot be read as a picture" in first["unreadable"][0]["reason"]
    assert "there are no pictures in" in second["unreadable"][0]["reason"]


def test_a_pair_of_two_sizes_is_named(data, tmp_path):
    imsave(data / "PolyU" / "y_real.JPG", NOISY, check_contrast=False)
    imsave(data / "PolyU" / "y_mean.JPG", COLOUR[1:], check_contrast=False)
    (case,) = run(tmp_path, "real", "--data", str(data), "--only", "PolyU", "--methods", FAST, code=1)["cases"]
    assert case["unreadable"][0]["reason"] == (
        "y_real.JPG: a noisy picture must have its clean one's size; got (64, 72, 3) and (63, 72, 3)"
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda noisy: noisy[1:], "answers that are no array of the picture's shape is 1"),
        (lambda noisy: noisy * np.nan, "values that are not finite is 4096"),
        (lambda noisy: [][0], "IndexError: list index out of range"),
    ],
)
def test_a_wrong_answer_has_no_figures(answer, reason, monkeypatch):
    case = replace(quality(None, [20])[0].quick(), side=64)
    wild = Wild("wild", "numpy", "numpy", "float32", answer=answer)
    (record,) = run_case(case, [PLAIN["noisy"], wild], [1], 1)
    good, bad = record["methods"]
    assert good["status"] == "measured"
    assert bad["status"] == "failed"
    assert reason in bad["reason"]
    assert not bad["measures"]
    assert "first_call_s" not in bad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quality", "--data", "EMPTY"], "--data must be a folder that holds one of Set12, BSD68, Kodak24;"),
        (["quality", "--sigma", "0"], "must be numbers above 0, parted by commas, not '0'"),
        (["quality", "--sigma", "x"], "must be numbers above 0"),
        (["quality", "--only", "Set12-15"], "no case is named 'Set12-15'; there are camera-15"),
        (["quality", "--only", "camera-15", "--resume"], "--resume needs --out"),
        (["quality", "--only", "camera-15", "--out", "FILE"], "FILE"),
        (["speed", "--data", "EMPTY"], "unrecognized arguments"),
    ],
)
def test_usage_errors_say_what_is_wrong(arguments, message, tmp_path, capsys):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").touch()
    words = [str(tmp_path / word) if word in ("EMPTY", "FILE") else word for word in arguments]
    try:
        code = main(words)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


# --- going on ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_is_gone_on_with(data, tmp_path, monkeypatch, capsys):
    asked = ["quality", "--data", str(data), "--only", "BSD68-*", "--methods", FAST]
    whole, measured = running.run_case, []

    def interrupted(case, *rest):
        if len(measured) == 1:
            raise KeyboardInterrupt
        measured.append(case.name)
        yield from whole(case, *rest)

    monkeypatch.setattr(running, "run_case", interrupted)
    assert main([*asked, "--threads", "1", "--out", str(tmp_path)]) == 130
    left = tmp_path / "quality.json.unfinished"
    first = schema.read(left)["cases"]
    assert [case["name"] for case in first] == ["BSD68-15"]
    monkeypatch.setattr(running, "run_case", whole)
    assert main([*asked, "--threads", "1", "--out", str(tmp_path)]) == 2
    assert "go on with --resume, or delete it" in capsys.readouterr().err
    done = run(tmp_path, *asked, "--resume")
    assert [case["name"] for case in done["cases"]] == ["BSD68-15", "BSD68-25", "BSD68-50"]
    assert done["cases"][0] == first[0]
    assert not left.exists()
    again = run(tmp_path, *asked, "--resume")
    assert again["cases"] == done["cases"]
    assert main([*asked[:-1], "noisy,nlmeans-fast", "--threads", "1", "--out", str(tmp_path), "--resume"]) == 2
    assert "--resume would drop figures of skimage-tv in BSD68-15" in capsys.readouterr().err
    assert schema.read(tmp_path / "quality.json")["cases"] == done["cases"]


def test_other_weights_are_measured_anew(data, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from nonlocal_block import weights

    asked = ["quality", "--data", str(data), "--only", "Set12-15", "--methods", "learned"]
    first = run(tmp_path, *asked)["cases"]
    assert run(tmp_path, *asked, "--resume")["cases"] == first
    monkeypatch.setattr(weights, "digest", lambda name: "f" * 64)
    second = run(tmp_path, *asked, "--resume")["cases"]
    assert second[0]["methods"][0]["version"].endswith("weights ffffffff")
    assert second != first


@pytest.mark.parametrize(("name", "value"), [("version", "0.0.1"), ("machine", {"cpu": "another"})])
def test_runs_that_cannot_be_gone_on_with(name, value, data, tmp_path, capsys):
    asked = ["quality", "--data", str(data), "--only", "Set12-15", "--methods", "noisy", "--threads", "1"]
    found = run(tmp_path, *asked[:-2])
    found[name] = {**found[name], **value} if isinstance(value, dict) else value
    schema.write(found, tmp_path / "quality.json")
    assert main([*asked, "--out", str(tmp_path), "--resume"]) == 2
    assert "--resume needs an earlier run" in capsys.readouterr().err


# --- the peers' settings ----------------------------------------------------------------------------------------------


def test_the_settings_are_the_best_of_what_was_tried():
    record, methods = read(TUNED), peers.methods(Peer)
    assert {row["method"] for row in record["tried"]} == set(methods)
    for row in record["tried"]:
        best = {name: value for name, value in row["rows"][0].items() if name != "psnr"}
        assert row["rows"][0]["psnr"] == max(other["psnr"] for other in row["rows"])
        assert tuned(row["method"], row["form"], row["sigma"]) == best
        assert len(row["rows"]) == len(list(methods[row["method"]].choices(row["form"])))


def test_the_nearest_sigma_by_its_ratio():
    assert tuned("skimage-tv", "grey", 19.0) == tuned("skimage-tv", "grey", 15)
    assert tuned("skimage-tv", "grey", 20.0) == tuned("skimage-tv", "grey", 25)
    assert tuned("skimage-tv", "grey", 0.0) == tuned("skimage-tv", "grey", 5)


def test_settings_are_chosen_on_training_pictures(tmp_path):
    for folder, pixels in (("Train400", GREY), ("CBSD400_train", COLOUR)):
        (tmp_path / folder).mkdir()
        imsave(tmp_path / folder / "1.png", pixels, check_contrast=False)
    out = tmp_path / "tuned.json"
    flags = ["--forms", "grey", "colour", "--methods", "skimage-tv", "gaussian-blur", "--sigmas", "20"]
    assert main(["tune-peers", "--data", str(tmp_path), *flags, "--out", str(out)]) == 0
    for name in ("skimage-tv", "gaussian-blur"):
        for row in (row for row in read(out)["tried"] if row["method"] == name):
            assert {**tuned(name, row["form"], 20, out), "psnr": max(r["psnr"] for r in row["rows"])} == row["rows"][0]
    assert tuned("skimage-tv", "colour", 20, out)["weight"] > 0.3


@pytest.mark.parametrize("peer", peers.methods(Peer).values(), ids=lambda peer: peer.name)
@pytest.mark.parametrize("source", ["camera", "astronaut"])
def test_every_peer_gains_at_its_settings(peer, source):
    if reason := peer.missing():
        pytest.skip(reason)
    case = next(case for case in quality(None, [25]) if case.source == source)
    (record,) = run_case(replace(case, side=96), [PLAIN["noisy"], peer], [1], 0)
    noisy, own = (method["measures"]["psnr"]["median"] for method in record["methods"])
    assert own > noisy + 1


def test_cases_of_real_noise_give_no_sigma(data):
    for case in (*real(None, None), *real(data, None)):
        assert case.given(GREY) == (GREY, None)
        assert case.parameters()["known"] is False


def test_an_answer_that_changes_from_round_to_round_has_no_figures():
    calls = []

    def fickle(noisy):
        calls.append(0)
        return noisy + 10 * (len(calls) > 2)

    case = replace(quality(None, [20])[0].quick(), side=64)
    wild = Wild("wild", "numpy", "numpy", "float32", answer=fickle)
    (record,) = run_case(case, [wild], [1], 2)
    assert "differs from the one that was checked" in record["methods"][0]["reason"]
    assert record["rounds"] == 2


def test_a_file_is_made_in_parts(data, tmp_path):
    asked = ["quality", "--data", str(data), "--methods", "noisy"]
    first = run(tmp_path, *asked, "--only", "BSD68-50")["cases"]
    both = run(tmp_path, *asked, "--only", "Set12-15", "--resume")["cases"]
    assert [case["name"] for case in both] == ["Set12-15", "BSD68-50"]
    assert both[1:] == first
