"""Training the mixer: it learns from both results, goes on bit for bit, and says what is missing."""

import csv
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("safetensors", reason="the extra `learned` is not installed")

import networks  # noqa: E402
from PIL import Image  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from nonlocal_block import weights  # noqa: E402
from nonlocal_block.mixer import Mixer  # noqa: E402
from nonlocal_block.train import __main__ as command  # noqa: E402
from nonlocal_block.train import mixer as training  # noqa: E402
from nonlocal_block.train.mixer import RECIPE, mixed, train_mixer  # noqa: E402
from nonlocal_block.trained import Choice  # noqa: E402

SMALL = replace(RECIPE, steps=3, batch=2, side=32)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder of small pictures with edges."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    y, x = np.mgrid[:72, :76]
    (folder / "CBSD400_train").mkdir()
    for k in range(12):
        a, b = rng.normal(0, 0.3, 2)
        grey = 128 + 100 * np.sign(np.sin(a * x + b * y))
        pixels = np.stack([grey, grey[::-1], 255 - grey], 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "CBSD400_train" / f"{k}.png")
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    networks.install(monkeypatch)


def rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if "seconds" not in k} for row in csv.DictReader(file)]


def test_it_learns_which_result_is_better(tmp_path, data):
    """The networks are untrained here, and leave what has 20 dB, so that ridge is better everywhere."""
    mixer = train_mixer(tmp_path / "run", data, epochs=4, recipe=replace(SMALL, steps=8, others=0.03))
    assert rows(tmp_path / "run")[-1]["psnr_25"] > 25
    x = torch.from_numpy(networks.noisy()[None, None] / 255)
    one = Choice(1).load()(x, 10 / 255)
    assert not mixer.training
    with torch.no_grad():
        assert mixed(mixer, Choice(1).load(), x, 10 / 255).sub(one).abs().max() > 0.01
    arguments, state, notes = weights.load(tmp_path / "run" / training.WEIGHTS, "Mixer")
    again = weights.assembled(Mixer, arguments, state, "the run")
    torch.testing.assert_close(again.state_dict(), mixer.state_dict())
    assert notes["task"] == "mixer"
    assert notes["figures"]["epoch"] == 4


def test_it_goes_on_bit_for_bit(tmp_path, data):
    whole = train_mixer(tmp_path / "whole", data, epochs=2, recipe=SMALL)

    class Stop(training.Watcher):
        def epoch(self, row):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_mixer(tmp_path / "parts", data, epochs=2, recipe=SMALL, watcher=Stop())
    parts = train_mixer(tmp_path / "parts", data, epochs=2, recipe=SMALL, resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")


def test_what_is_held_back_is_not_learned_from(data):
    grey, colours = (training.pictures(data, count) for count in (1, 3))
    task = training.MixerTask(
        grey, colours, {1: Choice(1).load(), 3: Choice(3).load()},
        recipe=SMALL, seed=0, device=torch.device("cpu"), epochs=1,
    )  # fmt: skip
    assert [len(picture) for picture in task.held] == [3] * 8 + [1] * 8
    assert [len(kind[0]) for kind in task.kinds] == [1, 3]
    held = {picture.numpy().tobytes() for picture in task.held}
    assert not any(picture.numpy().tobytes() in held for kind in task.kinds for picture in kind)
    torch.manual_seed(0)
    assert {task.drawn(2)[0].shape for _ in range(8)} == {(2, 1, 32, 32), (2, 3, 32, 32)}


def test_the_command(tmp_path, data, monkeypatch):
    monkeypatch.setattr(
        training.train_mixer, "__kwdefaults__", {**training.train_mixer.__kwdefaults__, "recipe": SMALL}
    )
    arguments = ["mixer", "--data", str(data), "--out", str(tmp_path / "run"), "--epochs", "1", "--threads", "1"]
    done = CliRunner().invoke(command.app, arguments)
    assert done.exit_code == 0, done.output
    assert "epoch 1: sigma 15: " in done.output
    assert done.output.endswith("mixer.safetensors: done\n")
    again = CliRunner().invoke(command.app, arguments)
    assert again.exit_code == 1
    assert "--resume" in again.output
    nothing = CliRunner().invoke(command.app, ["mixer", "--data", str(tmp_path), "--out", str(tmp_path / "none")])
    assert nothing.exit_code == 1
    assert "there are no training pictures" in nothing.output
