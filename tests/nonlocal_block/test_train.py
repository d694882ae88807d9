"""Training: it learns, repeats itself, and goes on bit for bit, whenever and however it was stopped."""

import csv
import dataclasses
import io
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from typer.testing import CliRunner  # noqa: E402

from nonlocal_block import load_classifier  # noqa: E402
from nonlocal_block.train import __main__ as command  # noqa: E402
from nonlocal_block.train import classifier  # noqa: E402
from nonlocal_block.train.classifier import RECIPES, moved, one_cycle, train_classifier  # noqa: E402
from nonlocal_block.train.folder import RunFolder  # noqa: E402
from nonlocal_block.train.loop import Watcher  # noqa: E402

BATCH = dict(batch=32)


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def bars(count, seed):
    """Return noisy pictures of bars whose place and direction are the label."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = rng.integers(0, 100, (count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        at = 5 * (int(label) % 5) + int(rng.integers(1, 4))
        (image if label < 5 else image.T)[at : at + 2] = 250
    return images, labels


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder of idx files in MNIST's format: 150 pictures to train on, 50 to test with."""
    folder = tmp_path_factory.mktemp("bars")
    for name, count in (("train", 150), ("t10k", 50)):
        images, labels = bars(count, count)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
            (folder / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return folder


@pytest.fixture
def small_fair(monkeypatch):
    monkeypatch.setitem(RECIPES, "fair", dataclasses.replace(RECIPES["fair"], validation=30))


class Stop(Watcher):
    """Presses Ctrl-C at a moment: after a batch of an epoch, or (0) while it is evaluated."""

    def __init__(self, epoch, batch, number=signal.SIGINT):
        self.at, self.number, self.rows = (epoch, batch), number, []

    def batch(self, epoch, done, total):
        if (epoch, done) == self.at:
            signal.raise_signal(self.number)

    def evaluating(self, epoch):
        if (epoch, 0) == self.at:
            signal.raise_signal(self.number)

    def epoch(self, row):
        self.rows.append(row)


def untimed(history):
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in history]


def assert_same(one, other):
    """Compare two runs, bit for bit."""
    assert untimed(one.history) == untimed(other.history)
    states = one.network.state_dict(), other.network.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_it_learns_and_leaves_its_files(tmp_path, data):
    watcher, before = Stop(0, 0), torch.get_rng_state()
    result = train_classifier(tmp_path, data, epochs=4, watcher=watcher, **BATCH)
    assert torch.equal(torch.get_rng_state(), before)
    assert watcher.rows == result.history
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4]
    last = result.history[-1]
    assert last["running_loss"] < result.history[0]["running_loss"]
    assert last["train_accuracy"] > 0.3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "classifier.safetensors", "log.csv"]

    rows = list(csv.DictReader((tmp_path / "log.csv").read_text(encoding="utf-8").splitlines()))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == result.history
    network, notes = load_classifier(tmp_path / "classifier.safetensors")
    assert notes["figures"] == last
    assert (notes["seed"], notes["recipe"], notes["block"], notes["epochs"]) == (0, "article", "embedded_gaussian", 4)
    images, labels = bars(50, 50)
    right = network(torch.from_numpy(images)[:, None] / 255).argmax(1).numpy() == labels
    assert right.mean() == last["test_accuracy"]


def test_same_seed_same_result(tmp_path, data):
    one = train_classifier(tmp_path / "a", data, epochs=2, seed=5, **BATCH)
    torch.rand(3)
    assert_same(one, train_classifier(tmp_path / "b", data, epochs=2, seed=5, **BATCH))
    other = train_classifier(tmp_path / "c", data, epochs=2, seed=6, **BATCH)
    assert untimed(other.history) != untimed(one.history)


@pytest.mark.parametrize("recipe", ["article", "fair"])
def test_resumed_bit_for_bit(tmp_path, data, small_fair, recipe):
    options = dict(data=data, epochs=3, seed=2, recipe=recipe, **BATCH)
    whole = train_classifier(tmp_path / "whole", **options)
    parts = tmp_path / "parts"
    for moment in ((1, 2), (1, 0), (2, 1), (3, 4), (3, 0)):
        with pytest.raises(KeyboardInterrupt):
            train_classifier(parts, watcher=Stop(*moment), resume=moment != (1, 2), **options)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        torch.rand(7)  # what others draw in the meantime does not matter
    assert_same(whole, train_classifier(parts, resume=True, **options))
    assert_same(whole, train_classifier(parts, resume=True, **options))  # nothing is left to do


def test_more_epochs_for_a_finished_run(tmp_path, data):
    train_classifier(tmp_path / "a", data, epochs=1, **BATCH)
    more = train_classifier(tmp_path / "a", data, epochs=2, resume=True, **BATCH)
    assert_same(train_classifier(tmp_path / "b", data, epochs=2, **BATCH), more)


def test_the_fair_recipe_looks_at_the_test_once(tmp_path, data, small_fair):
    options = dict(data=data, recipe="fair", **BATCH)
    history = train_classifier(tmp_path, epochs=2, **options).history
    assert ["test_accuracy" in row for row in history] == [False, True]
    assert all("validation_accuracy" in row for row in history)
    with pytest.raises(
        ValueError, match=r"resumed as it was begun: with epochs=2, not 3"
    ):  # one cycle is of one length
        train_classifier(tmp_path, epochs=3, resume=True, **options)


def test_a_second_interrupt_does_not_wait(tmp_path, data):
    class Twice(Stop):
        def batch(self, epoch, done, total):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_classifier(tmp_path, data, watcher=Twice(0, 0), **BATCH)
    assert list(tmp_path.iterdir()) == []


def test_off_the_main_thread(tmp_path, data):
    results = []
    thread = threading.Thread(target=lambda: results.append(train_classifier(tmp_path, data, limit=32, **BATCH)))
    thread.start()
    thread.join()
    assert len(results[0].history) == 1


def test_a_checkpoint_is_never_half_written(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.save({"format": 1, "old": torch.arange(3)})

    def fail(state, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        folder.save({"format": 1})
    assert torch.equal(folder.load()["old"], torch.arange(3))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is corrupt, or not a checkpoint"),
        (b"PK\3\4 rubbish", "is corrupt, or not a checkpoint"),
        ({"format": 1, "bomb": Bomb()}, "is corrupt, or not a checkpoint"),
        ({"format": 2}, "is not a checkpoint of this version"),
        ([1], "is not a checkpoint of this version"),
    ],
)
def test_spoilt_checkpoints_are_named_and_never_run(tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=f"checkpoint.pt {words}") as caught:
        RunFolder(tmp_path, resume=True).load()
    assert not (tmp_path / "bomb").exists()
    assert caught.value.__cause__ is None  # torch recommends weights_only=False, which would run what is in there
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "\n" not in str(caught.value)


def test_mutants_of_a_checkpoint_load_or_are_refused(tmp_path):
    rng, folder, said = random.Random(0), RunFolder(tmp_path), set()
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"format": 1, "a": torch.arange(3), "b": [1, "x"]}, buffer, _use_new_zipfile_serialization=new)
        for _ in range(150):
            mutant = bytearray(buffer.getvalue()[: rng.choice([50, 400, None])])
            for _ in range(rng.choice([0, 1, 5])):
                mutant[rng.randrange(len(mutant))] = rng.randrange(256)
            folder.checkpoint.write_bytes(mutant)
            try:
                folder.load()
            except ValueError as error:
                said.add(str(error))
    assert said == {f"{folder.checkpoint} is corrupt, or not a checkpoint of nonlocal_block.train"} | {
        line for line in said if "is not a checkpoint of this version" in line
    }


@pytest.mark.parametrize(
    "change",
    [lambda s: s.pop("task"), lambda s: s.update(task=[1]), lambda s: s.update(random={}), lambda s: s.clear()],
)
def test_checkpoints_that_lack_something_are_named(tmp_path, data, change):
    train_classifier(tmp_path, data, limit=64, epochs=1, **BATCH)
    folder = RunFolder(tmp_path, resume=True)
    state = folder.load()
    change(state)
    folder.save({"format": 1, **state} if state else {"format": 1})
    with pytest.raises(ValueError, match=r"checkpoint.pt does not hold (all of )?a run"):
        train_classifier(tmp_path, data, limit=64, epochs=1, resume=True, **BATCH)


def test_a_run_is_neither_replaced_nor_mixed_up(tmp_path, data):
    with pytest.raises(FileNotFoundError, match=r"nothing to resume: .*checkpoint.pt does not exist"):
        train_classifier(tmp_path, data, resume=True, **BATCH)
    first = train_classifier(tmp_path, data, limit=64, **BATCH)
    with pytest.raises(ValueError, match="resumed or overwritten, not both"):
        train_classifier(tmp_path, data, limit=64, resume=True, overwrite=True, **BATCH)
    assert (tmp_path / "checkpoint.pt").exists()
    assert (tmp_path / "classifier.safetensors").exists()
    with pytest.raises(FileExistsError, match="holds a run already: --resume continues it, --overwrite starts afresh"):
        train_classifier(tmp_path, data, limit=64, **BATCH)
    with pytest.raises(ValueError, match=r"begun: with seed=0, not 1; block='embedded_gaussian', not 'none'"):
        train_classifier(tmp_path, data, limit=64, resume=True, seed=1, block="none", **BATCH)
    with pytest.raises(ValueError, match=r"with data='\w+', not '\w+'"):
        train_classifier(tmp_path, data, limit=32, resume=True, **BATCH)
    assert_same(first, train_classifier(tmp_path, data, limit=64, overwrite=True, **BATCH))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(epochs=0), "epochs must be at least 1; got 0"),
        (dict(batch=0), "batch must be at least 1; got 0"),
        (dict(limit=0), "limit must be at least 1; got 0"),
        (dict(seed=-1), "seed must be at least 0; got -1"),
        (dict(seed=2**32), "seed must be below 2³²; got 4294967296"),
        (dict(recipe="best"), "recipe must be one of 'article', 'fair'; got 'best'"),
        (dict(block="local"), "block must be one of 'none', .*; got 'local'"),
        (dict(recipe="fair"), "holds 5000 training images back and needs more; got 150"),
        (dict(device="toaster"), "device must be 'auto' or one that is there; got 'toaster'"),
        (dict(device="cuda:99"), "device must be 'auto' or one that is there; got 'cuda:99'"),
    ],
)
def test_bad_arguments(tmp_path, data, arguments, words):
    with pytest.raises(ValueError, match=words):
        train_classifier(tmp_path / "out", data, **arguments)
    assert not (tmp_path / "out").exists()


def test_a_loss_that_explodes_is_an_error(tmp_path, data, monkeypatch):
    monkeypatch.setitem(RECIPES, "article", dataclasses.replace(RECIPES["article"], learning_rate=float("inf")))
    with pytest.raises(FloatingPointError, match=r"epoch 1 ended in .*'running_loss': nan"):
        train_classifier(tmp_path, data, **BATCH)
    assert list(tmp_path.iterdir()) == []


def test_curves_where_tensorboard_is(tmp_path, data, monkeypatch):
    points = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            points.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            points.append((name, value, step))

        def flush(self):
            pass

        def close(self):
            points.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    train_classifier(tmp_path, data, **BATCH)
    history = train_classifier(tmp_path, data, epochs=2, resume=True, **BATCH).history
    folder = str(tmp_path / "tensorboard")
    assert [p for p in points if p[0] == folder] == [(folder, 1), (folder, 2)]
    assert ("test_accuracy", history[1]["test_accuracy"], 2) in points
    assert points.count("closed") == 2


def test_other_threads_are_mentioned(tmp_path, data, caplog):
    train_classifier(tmp_path, data, limit=64, **BATCH)
    try:
        torch.set_num_threads(2)
        train_classifier(tmp_path, data, limit=64, epochs=2, resume=True, **BATCH)
    finally:
        torch.set_num_threads(1)
    assert "begun with 1 threads: with 2, last digits differ" in caplog.text


def test_images_move_within_limits():
    still = dataclasses.replace(RECIPES["article"])
    images = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(moved(images, still), images, rtol=1e-4, atol=1e-4)

    torch.manual_seed(0)
    spot = torch.zeros(400, 1, 28, 28)
    spot[..., 13:15, 13:15] = 1
    place = torch.arange(28.0)

    def centres(recipe):
        comp = moved(spot, recipe)[:, 0]
        mass = comp.sum((1, 2))
        return torch.stack([comp.sum(2) @ place / mass, comp.sum(1) @ place / mass]) - 13.5

    off = centres(dataclasses.replace(still, shift=2.0))
    assert 1.8 < off.abs().max() <= 2.01
    assert off.abs().mean(1).min() > 0.8
    assert abs(float(off.mean())) < 0.2
    spot = spot.roll(9, 3)  # at the right edge, 9 pixels from the middle
    turned = centres(dataclasses.replace(still, angle=12.0))
    assert 9 * 0.18 < turned[0].abs().max() <= 9 * 0.21
    torch.testing.assert_close(turned.norm(dim=0), torch.full((400,), 9.0), rtol=0.02, atol=0)
    wide = centres(dataclasses.replace(still, stretch=0.12))[1]
    assert 9 / 1.13 < wide.min() < 8.2
    assert 9.9 < wide.max() < 9 / 0.87


def test_one_cycle():
    rates = [one_cycle(k / 100) for k in range(101)]
    assert rates[0] == pytest.approx(0.04)
    assert max(rates) == rates[20] == 1
    assert rates[-1] == pytest.approx(0)
    assert all(a < b for a, b in itertools.pairwise(rates[:21]))
    assert all(a > b for a, b in itertools.pairwise(rates[20:]))


def run(*arguments):
    return CliRunner().invoke(command.app, ["classifier", *map(str, arguments)])


def test_the_command(tmp_path, data, monkeypatch):
    out = tmp_path / "run"
    options = ("--data", data, "--out", out, "--batch", 32, "--epochs", 2, "--block", "dot_product", "--device", "cpu")
    pressed = []

    def press(self, epoch, done, total):
        if (epoch, done) == (2, 1) and not pressed:
            pressed.append(signal.raise_signal(signal.SIGINT))

    monkeypatch.setattr(command._Screen, "batch", press)
    done = run(*options)
    assert done.exit_code == 130
    assert "interrupted; --resume continues the run in" in done.stderr
    assert done.stdout.startswith("epoch 1: running ")
    done = run(*options, "--resume", "--threads", torch.get_num_threads())
    assert done.exit_code == 0
    assert "epoch 2: running " in done.stdout
    assert done.stdout.rstrip().endswith("classifier.safetensors: done")
    done = run(*options)
    assert done.exit_code == 1
    assert (
        done.stderr
        == f"nonlocal_block.train: {out} holds a run already: --resume continues it, --overwrite starts afresh\n"
    )
    assert run(*options, "--resume", "--overwrite").exit_code == 2
    done = run(*options, "--overwrite", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    done = run("--data", tmp_path, "--out", tmp_path / "other")
    assert done.exit_code == 1
    assert "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz" in done.stderr


def test_the_bar_on_a_terminal(tmp_path, data, monkeypatch):
    monkeypatch.setattr(command.sys.stderr, "isatty", lambda: True, raising=False)
    with command._Screen(quiet=False) as screen:
        assert screen._bar is not None
        train_classifier(tmp_path, data, limit=64, watcher=screen, **BATCH)
        assert screen._bar.tasks[0].description == "epoch 1: evaluating"


def test_the_module_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nonlocal_block.train", "classifier", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--data", "--epochs", "--seed", "--block", "--out", "--resume", "--device", "--threads", "--recipe"):
        assert option in done.stdout


def test_a_small_part_of_mnist(tmp_path, shared):
    test = classifier.mnist("test", shared / "mnist")
    few = classifier.Labelled(test.images[:1000], test.labels[:1000])
    training = classifier.mnist("train", shared / "mnist")
    with pytest.MonkeyPatch.context() as patch:  # 1000 test images will do
        patch.setattr(classifier, "mnist", lambda split, _: training if split == "train" else few)
        result = train_classifier(tmp_path, limit=2000, epochs=2, batch=32)
    assert result.history[-1]["test_accuracy"] > 0.9
