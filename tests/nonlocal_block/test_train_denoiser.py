"""Training the denoiser: it learns, goes on bit for bit, and says what is missing."""

import csv
import shutil
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from PIL import Image  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from nonlocal_block import weights  # noqa: E402
from nonlocal_block.denoiser import FAST, NonLocalDenoiser  # noqa: E402
from nonlocal_block.train import __main__ as command  # noqa: E402
from nonlocal_block.train import denoiser, tasks  # noqa: E402
from nonlocal_block.train import pictures as learned_from  # noqa: E402
from nonlocal_block.train.denoiser import Recipe, train_denoiser  # noqa: E402
from nonlocal_block.train.loop import Watcher  # noqa: E402
from nonlocal_block.train.muon import Muon, orthogonalised  # noqa: E402
from nonlocal_block.trained import ColourDenoiser, load_denoiser  # noqa: E402

SMALL = Recipe(steps=4, batch=2, side=32)


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
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "CBSD400_train" / f"{k}.{('png', 'jpg')[k % 2]}")
    (folder / "CBSD400_train" / "notes.txt").write_text("no picture")
    return folder


def rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if "seconds" not in k} for row in csv.DictReader(file)]


class Press(Watcher):
    """Presses Ctrl-C once."""

    def __init__(self, epoch, step):
        self.at = (epoch, step)

    def batch(self, epoch, done, total):
        if (epoch, done) == self.at:
            self.at = None
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("colour", [False, True])
def test_resumed_bit_for_bit(tmp_path, data, colour):
    options = dict(colour=colour, epochs=2, recipe=SMALL, precision="float32")
    whole = train_denoiser(tmp_path / "whole", data, **options)
    with pytest.raises(KeyboardInterrupt):
        train_denoiser(tmp_path / "parts", data, watcher=Press(2, 1), **options)
    parts = train_denoiser(tmp_path / "parts", data, resume=True, **options)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))
    assert rows(tmp_path / "whole") == rows(tmp_path / "parts")

    arguments, state, notes = weights.load(tmp_path / "parts" / "denoiser.safetensors", "NonLocalDenoiser")
    assert arguments == {"channels": 1, "weights": "learned", **({**FAST, "guides": 1} if colour else {})}
    loaded = NonLocalDenoiser(**arguments)
    loaded.load_state_dict(state)
    x = torch.rand(1, 1, 16, 16), 0.1, *[torch.rand(1, 1, 16, 16)] * colour
    assert torch.equal(loaded.eval()(*x), whole(*x))
    assert (notes["seed"], notes["recipe"]["steps"], notes["figures"]["epoch"]) == (0, 4, 2)


def test_it_learns(tmp_path, data):
    recipe = Recipe(steps=30, batch=4, side=32, average=0.5, sigma=30, skew=1.0)
    train_denoiser(tmp_path, data, epochs=2, recipe=recipe, precision="float32", weights="none")
    first, last = rows(tmp_path)
    assert last["psnr_25"] > first["psnr_25"] > 20.5  # 20.2 without doing anything


def test_other_runs_are_not_mixed_up(tmp_path, data):
    options = dict(epochs=1, recipe=SMALL, precision="float32")
    train_denoiser(tmp_path, data, **options)
    for change, words in (
        (dict(epochs=2), "epochs=1, not 2"),
        (dict(weights="raw"), "network="),
        (dict(seed=1), "seed=0"),
    ):
        with pytest.raises(ValueError, match=words):
            train_denoiser(tmp_path, data, resume=True, **{**options, **change})


def test_from_earlier_weights(tmp_path, data):
    options = dict(epochs=1, recipe=SMALL, precision="float32")
    train_denoiser(tmp_path / "first", data, **options)
    path = tmp_path / "first" / "denoiser.safetensors"
    still = Recipe(steps=1, batch=1, side=32, filters=0.0, others=0.0)
    second = train_denoiser(tmp_path / "second", data, epochs=1, recipe=still, precision="float32", start=path, seed=5)
    _, state, notes = weights.load(path, "NonLocalDenoiser")
    assert weights.load(tmp_path / "second" / "denoiser.safetensors", "NonLocalDenoiser")[2]["start"] == notes
    assert all(torch.equal(tensor, state[name]) for name, tensor in second.state_dict().items())
    with pytest.raises(ValueError, match=r"with start='\w+', not None"):
        train_denoiser(tmp_path / "second", data, epochs=1, recipe=still, precision="float32", seed=5, resume=True)
    with pytest.raises(
        ValueError, match=r"must hold a network made with {'channels': 1, 'weights': 'raw'}; got {.*'learned'}"
    ):
        train_denoiser(tmp_path / "third", data, weights="raw", start=path, **options)


def test_the_small_network_has_a_recipe_of_its_own(tmp_path, data, monkeypatch):
    monkeypatch.setattr(denoiser, "QUICK", SMALL)
    options, path = dict(epochs=1, fast=True, precision="float32"), tmp_path / "grey" / "denoiser.safetensors"
    train_denoiser(tmp_path / "grey", data, **options)
    given, grey, notes = weights.load(path, "NonLocalDenoiser")
    assert given == {"channels": 1, "weights": "learned", **FAST}
    assert notes["recipe"]["steps"] == SMALL.steps
    colour = train_denoiser(tmp_path / "colour", data, colour=True, start=path, recipe=SMALL, epochs=1)
    inner = colour.middle[0].first.weight - grey["middle.0.first.weight"]
    assert 0 < inner.abs().max() < 0.02  # a few steps on from there
    large = tmp_path / "large.safetensors"
    weights.save(large, NonLocalDenoiser(), {"channels": 1, "weights": "learned"}, {})
    for many, other in ((dict(), path.parents[1] / "colour" / path.name), (dict(colour=True), large)):
        with pytest.raises(
            ValueError, match=r"must hold a network made with {'channels': 1, 'weights': 'learned'.*; got {"
        ):
            train_denoiser(tmp_path / "large", data, epochs=1, recipe=SMALL, start=other, **many)


def test_differences_begin_as_the_small_grey_network_and_learn_to_look_at_their_guide(tmp_path, data):
    options, x = dict(epochs=1, precision="float32", colour=True), torch.rand(2, 1, 16, 24)
    still = Recipe(steps=1, batch=1, side=32, filters=0.0, others=0.0)
    start = train_denoiser(tmp_path / "start", data, recipe=still, **options)
    guide = torch.rand_like(x)
    small = load_denoiser(fast=True)[0]
    torch.testing.assert_close(start(x, 0.1, guide), small(x, 0.1))
    learned = train_denoiser(tmp_path / "learned", data, recipe=SMALL, **options)
    assert not torch.equal(learned(x, 0.1, guide), learned(x, 0.1, guide.flip(2)))
    arguments, state, _ = weights.load(tmp_path / "learned" / "denoiser.safetensors", "NonLocalDenoiser")
    assert arguments == {"channels": 1, "weights": "learned", **FAST, "guides": 1}
    assert all(torch.equal(tensor, state[name]) for name, tensor in learned.state_dict().items())
    file = tmp_path / "learned" / "denoiser.safetensors"
    again = train_denoiser(tmp_path / "again", data, recipe=still, start=file, **options)
    torch.testing.assert_close(again(x, 0.1, guide), learned(x, 0.1, guide))
    with pytest.raises(ValueError, match="must be for images of 1 channels; got 1 and 1 guides"):
        load_denoiser(path=tmp_path / "learned" / "denoiser.safetensors")


def test_differences_learn_from_the_colours(data):
    tensors = learned_from.pictures(data, 3)
    task = tasks.ColoursTask(
        tensors, means=[load_denoiser()[0]], channels=3, recipe=SMALL, seed=0, device=torch.device("cpu"), half=False,
        network=FAST, epochs=1,
    )  # fmt: skip
    torch.manual_seed(0)
    clean, noisy, sigma = task.drawn(2)
    assert clean.shape == noisy.shape == (2, 3, 32, 32)
    expected = ColourDenoiser(load_denoiser()[0], task.network)(noisy, sigma)
    torch.testing.assert_close(task.applied(task.network, noisy, sigma), expected)
    assert [name for name, p in task.network.named_parameters() if not p.requires_grad] == []
    assert not any(p.requires_grad for p in task.means[0].parameters())


@pytest.mark.parametrize("decibels", [False, True])
def test_what_is_made_small(data, decibels):
    recipe = Recipe(steps=1, batch=1, side=32, even=5.0, decibels=decibels)
    task = tasks.DenoiserTask(
        learned_from.pictures(data, 1), channels=1, recipe=recipe, seed=0, device=torch.device("cpu"), half=False,
        network={"widths": (8, 8, 8)}, epochs=1,
    )  # fmt: skip
    errors, sigma = torch.randn(2, 1, 6, 7), torch.tensor([10 / 255, 40 / 255])
    each = [np.abs(one).mean() * (5 / (5 + level)) ** 0.5 for one, level in zip(errors.numpy(), (10, 40), strict=True)]
    logs = [0.01 * np.log((one**2).mean() + 255**-2) for one in errors.numpy()]
    assert float(task.loss(errors, sigma)) == pytest.approx(np.mean(logs if decibels else each), rel=1e-5)


def test_a_run_from_earlier_weights_is_resumed_whatever_order_their_file_is_read_in(tmp_path, data, monkeypatch):
    options = dict(recipe=SMALL, precision="float32")
    train_denoiser(tmp_path / "first", data, epochs=1, **options)
    options = dict(epochs=1, start=tmp_path / "first" / "denoiser.safetensors", **options)
    once = train_denoiser(tmp_path / "second", data, **options).state_dict()
    load = weights.load

    def reversed_load(*arguments):
        found, state, notes = load(*arguments)
        return found, dict(reversed(sorted(state.items()))), notes

    monkeypatch.setattr(denoiser.files, "load", reversed_load)
    again = train_denoiser(tmp_path / "second", data, resume=True, **options).state_dict()
    assert all(torch.equal(tensor, once[name]) for name, tensor in again.items())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(epochs=0), "epochs must be at least 1; got 0"),
        (dict(seed=-1), "seed must be at least 0; got -1"),
        (dict(precision="int8"), "precision must be one of"),
        (dict(recipe=Recipe(side=80)), "with sides of at least 80 pixels are needed; got 0"),
    ],
)
def test_bad_arguments(tmp_path, data, arguments, words):
    with pytest.raises(ValueError, match=words):
        train_denoiser(tmp_path / "out", data, **arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(batch=0), "batch must be at least 1; got 0"),
        (dict(side=-3), "side must be at least 1; got -3"),
        (dict(warm_up=1.0), "warm_up must be at least 0 and below 1; got 1.0"),
        (dict(sigma=0.0), "sigma must be above 0; got 0"),
        (dict(smooth=1.5), "smooth must be at least 0 and below 1; got 1.5"),
    ],
)
def test_bad_recipes(change, words):
    with pytest.raises(ValueError, match=words):
        Recipe(**change)


def test_missing_pictures(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there are no training pictures in .*CBSD400_train"):
        train_denoiser(tmp_path / "out", tmp_path)


def test_the_command(tmp_path, data, monkeypatch):
    monkeypatch.setattr(denoiser, "Recipe", lambda: SMALL)
    arguments = ["denoiser", "--data", str(data), "--out", str(tmp_path / "run"), "--epochs", "1", "--threads", "1"]
    done = CliRunner().invoke(command.app, [*arguments, "--precision", "float32"])
    assert done.exit_code == 0, done.output
    assert "epoch 1: sigma 15: " in done.stdout
    assert done.stdout.rstrip().endswith("denoiser.safetensors: done")
    again = CliRunner().invoke(command.app, arguments)
    assert again.exit_code == 1
    assert "holds a run already" in again.stderr


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (9, 9)])
def test_orthogonalised(shape):
    torch.manual_seed(0)
    matrices = torch.randn(3, *shape)
    comp = orthogonalised(matrices).float()
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    values = torch.linalg.svdvals(comp)
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3
    rotation = u @ v
    cosine = (comp * rotation).sum((1, 2)) / comp.norm(dim=(1, 2)) / rotation.norm(dim=(1, 2))
    assert cosine.min() > 0.95


def test_muon_finds_the_bottom():
    torch.manual_seed(0)
    target, weight = torch.randn(4, 3, 3, 3), torch.nn.Parameter(torch.zeros(4, 3, 3, 3))
    optimizer = Muon([weight], 0.1)
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 200)
        loss = (weight - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1e-3


def test_noise_of_every_level_and_turned_crops():
    picture = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)
    torch.manual_seed(0)
    found = learned_from.crops([picture], 200, 8)
    kinds = {tuple((255 * crop).round().int().flatten().tolist()) for crop in found}
    assert len(kinds) == 8
    assert len(learned_from.crops([picture], 2000, 5).flatten(1).unique(dim=0)) == 8 * 16


def test_colours_come_in_both_sizes_after_those_that_are_sharp(tmp_path, data):
    grey, colour = (learned_from.pictures(data, channels) for channels in (1, 3))
    assert {tuple(picture.shape) for picture in grey} == {(1, 72, 76)}
    assert [tuple(picture.shape) for picture in colour] == [(3, 72, 76)] * 12 + [(3, 36, 38)] * 12
    for whole, half in zip(colour[:12], colour[12:], strict=True):
        corners = [whole[:, a::2, b::2].float() for a in (0, 1) for b in (0, 1)]
        assert (sum(corners) / 4 - half).abs().max() <= 0.5
    sharp = np.random.default_rng(0).integers(0, 256, (50, 600, 3), np.uint8)
    (tmp_path / "Colour_train").mkdir()
    shutil.copytree(data / "CBSD400_train", tmp_path / "CBSD400_train")
    Image.fromarray(sharp).save(tmp_path / "Colour_train" / "a.png")
    more = learned_from.pictures(tmp_path, 3)
    assert len(more) == 25
    assert torch.equal(more[0], torch.from_numpy(sharp.transpose(2, 0, 1)))
    assert all(torch.equal(a, b) for a, b in zip(more[1:], colour, strict=True))
    assert len(learned_from.pictures(tmp_path, 1)) == 12


def test_what_is_smaller_than_a_crop_is_left_out_and_the_first_others_are_held_back():
    sizes = [(20, 600), (32, 600), *[(32, 40)] * 10, (40, 31)]
    tensors = [torch.full((3, *size), k, dtype=torch.uint8) for k, size in enumerate(sizes)]
    options = dict(channels=3, seed=0, device=torch.device("cpu"), half=False, network={"widths": (8, 8, 8)}, epochs=1)
    task = tasks.DenoiserTask(tensors, recipe=SMALL, **options)
    assert [int(picture[0, 0, 0]) for picture in task.held] == list(range(1, 9))
    assert task.held[0].shape == (3, 32, tasks.HELD_SIDE)
    assert [int(picture[0, 0, 0]) for picture in task.pictures] == [9, 10, 11]
    with pytest.raises(ValueError, match="8 pictures are held back, and more with sides of at least 32"):
        tasks.DenoiserTask(tensors[:9], recipe=SMALL, **options)


def test_rates():
    rates = [tasks.risen_and_fallen(k / 100, 0.1) for k in range(101)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[10] == pytest.approx(1)
    assert rates[-1] == pytest.approx(0.01)
    assert max(rates) <= 1
