"""One pixel's weights: those of the learned stage are what it averages with, and the study draws both kinds."""

import json
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from PIL import Image  # noqa: E402

from benchmarks.studies import weights  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def noisy(shape=(40, 44)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    clean = 90 + 80.0 * (columns % 8 < 3) + 20 * np.sin(rows / 5)
    return (clean + np.random.default_rng(0).normal(0, 25, shape)).astype(np.float32)


@pytest.mark.parametrize("at", [(20, 21), (0, 0), (37, 42)])
@pytest.mark.parametrize("shape", [(40, 48), (39, 45)])
def test_learned_weights_are_those_of_the_stage(at, shape):
    image = noisy(shape)
    stage = weights.Stage.of(image, 25.0)
    seen, averaged = (
        torch.nn.functional.pixel_shuffle(torch.from_numpy(part[:4]), 2)[0].numpy()
        for part in (stage.values, stage.averages)
    )
    found = weights.learned_weights(image, at, 25.0)
    assert found.shape == shape
    assert found.sum() == pytest.approx(1, abs=1e-9)
    assert (found * seen[: shape[0], : shape[1]]).sum() == pytest.approx(averaged[at], abs=1e-4)
    cells = stage.weights((at[0] // 2, at[1] // 2))
    everything = (cells * stage.values).sum((1, 2))
    np.testing.assert_allclose(everything, stage.averages[:, at[0] // 2, at[1] // 2], rtol=0, atol=1e-4)
    assert abs(averaged[at] - seen[at]) > 1e-3  # it is an average of more than itself


def test_learned_weights_lie_on_every_second_pixel():
    found = weights.learned_weights(noisy(), (20, 21), 25.0)
    rows, columns = np.nonzero(found)
    assert len(rows) > 4
    assert not ((rows - 20) % 2).any()
    assert not ((columns - 21) % 2).any()
    assert max(abs(rows - 20).max(), abs(columns - 21).max()) <= 14


@pytest.mark.parametrize(
    ("shape", "at", "words"),
    [
        ((8, 8, 3), (1, 1), r"image must be \(H, W\) of at most 1024 pixels a side; got shape \(8, 8, 3\)"),
        ((8, 1025), (1, 1), "image must be"),
        ((8, 9), (8, 1), r"the pixel must be a \(y, x\) within the image's \(8, 9\); got \(8, 1\)"),
        ((8, 9), (1, -1), "the pixel must be"),
    ],
)
def test_what_cannot_be_looked_at(shape, at, words):
    with pytest.raises(ValueError, match=words):
        weights.learned_weights(np.zeros(shape, np.float32), at, 25.0)


def test_figures_of_weights():
    plane = np.zeros((9, 20))
    plane[4, [4, 7, 10, 14]] = 0.25
    found = weights.Weighing(plane, (4, 4), np.zeros((1, 1, 3), np.uint8))
    assert found.figures() == {
        "effective": 4.0, "distance": 0.25 * (3 + 6 + 10), "share": 0.5, "own": 0.25, "largest_other": 0.25
    }  # fmt: skip


def test_both_sets_of_weights_are_of_the_pixel():
    image = noisy()
    found = weights.weighings(image, (20, 21), 25.0)
    assert list(found) == ["classical", "learned"]
    for one in found.values():
        assert one.weights.shape == image.shape
        assert one.weights.sum() == pytest.approx(1)
        assert one.weights[20, 13] > one.weights[20, 17]  # a stripe further, as against between stripes
        assert one.picture.dtype == np.uint8


def test_the_study_writes_a_sheet_and_figures(tmp_path):
    (tmp_path / "weights.json").write_text("an earlier one", encoding="utf-8")
    weights.written(tmp_path, (weights.Spot("sky", "camera", (30, 300)),))
    names = {"weights.json", "weights.png", "sky-classical.png", "sky-learned.png"}
    assert {path.name for path in tmp_path.rglob("*.*")} == names
    with Image.open(tmp_path / "weights.png") as sheet:
        side = weights.ZOOM * (2 * weights.AROUND + 1)
        assert sheet.size == (10 + 3 * (side + 10), side + 34 + 24)
    found = json.loads((tmp_path / "weights.json").read_text(encoding="utf-8"))
    sky = found["spots"]["sky"]
    assert sky["source"] == "camera"
    assert all(sky[way]["effective"] > 100 for way in ("classical", "learned"))  # all pixels there are alike


def test_the_study_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nonlocal_block", None)
    assert weights.main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("benchmarks: import of nonlocal_block halted")
    assert not list(tmp_path.iterdir())
