"""Weights that come with the package: what is not as it was shipped is named and not loaded."""

import hashlib
import json

import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from nonlocal_block import load_classifier, weights  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "trained.safetensors"
    source.write_bytes(bytes(range(200)))
    place = tmp_path / "weights"
    place.mkdir()
    weights.ship("one", source, place)
    return place


def test_what_was_shipped_is_found(folder, tmp_path):
    assert weights.shipped("one", folder).read_bytes() == bytes(range(200))
    weights.ship("two", tmp_path / "trained.safetensors", folder)
    assert weights.shipped("one", folder).name == "one.safetensors"
    assert sorted(p.name for p in folder.iterdir()) == ["index.json", "one.safetensors", "two.safetensors"]


def test_half_the_bytes(tmp_path):
    network, place = torch.nn.Linear(40, 50), tmp_path / "weights"
    place.mkdir()
    weights.save(tmp_path / "whole.safetensors", network, {"a": 1}, {"seed": 3})
    path = weights.ship("half", tmp_path / "whole.safetensors", place, half=True)
    assert path.stat().st_size < 0.6 * (tmp_path / "whole.safetensors").stat().st_size
    arguments, state, notes = weights.load(weights.shipped("half", place), "Linear")
    assert (arguments, notes) == ({"a": 1}, {"seed": 3})
    torch.testing.assert_close(state["weight"].float(), network.weight.detach(), rtol=1e-3, atol=1e-6)
    assert weights.digest("half", place) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda f: (f / "one.safetensors").unlink(), FileNotFoundError, "one.safetensors are missing"),
        (lambda f: (f / "one.safetensors").write_bytes(b"a" * 199), ValueError, "truncated: .* 200 bytes; got 199"),
        (lambda f: (f / "one.safetensors").write_bytes(b"a" * 201), ValueError, "damaged: .* 200 bytes; got 201"),
        (lambda f: (f / "one.safetensors").write_bytes(b"a" * 200), ValueError, "were changed: their SHA-256 must be"),
        (lambda f: (f / "index.json").unlink(), FileNotFoundError, "index of trained weights, is missing"),
        (lambda f: (f / "index.json").write_text("{"), ValueError, "index.json is not an index of trained weights"),
        (lambda f: (f / "index.json").write_text("[]"), ValueError, "index.json is not an index of trained weights"),
        (lambda f: (f / "index.json").write_text('{"format": 1}'), ValueError, "is not an index of trained weights"),
        (lambda f: (f / "index.json").write_text('{"format": 2}'), ValueError, "got 2: a newer version .* wrote it"),
        (lambda f: (f / "index.json").write_text('{"format": "x"}'), ValueError, "got 'x': it is corrupt"),
    ],
)
def test_what_is_not_as_shipped_is_named(folder, spoil, error, words):
    spoil(folder)
    with pytest.raises(error, match=words):
        weights.shipped("one", folder)


def test_unknown_names(folder):
    with pytest.raises(ValueError, match="weights of that name: one; got 'other'"):
        weights.shipped("other", folder)


def test_every_shipped_file_is_whole_and_says_how_it_was_made():
    from safetensors import safe_open

    names = json.loads((weights.FOLDER / weights.INDEX).read_text(encoding="utf-8"))["files"]
    assert "classifier" in names
    assert sum(weights.shipped(name).stat().st_size for name in names) < 10e6
    for name in names:
        with safe_open(weights.shipped(name), "pt") as file:
            notes = json.loads(file.metadata()["notes"])
        assert {"seed", "recipe", "figures", "torch"} <= set(notes)


def test_the_classifier_on_mnist(shared):
    from nlmeans.datasets import mnist

    network, notes = load_classifier()
    test = mnist("test", shared / "mnist")
    images = torch.from_numpy(test.images)[:, None].float() / 255
    with torch.inference_mode():
        found = torch.cat([network(some).argmax(1) for some in images.split(500)]).numpy()
    # A digit or two lie so near the border that another processor's rounding moves them across.
    assert (found == test.labels).mean() == pytest.approx(notes["figures"]["test_accuracy"], abs=3e-4)
