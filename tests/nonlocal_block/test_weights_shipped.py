"""Weights that come with the package: what is not as it was shipped is named and not loaded."""

import hashlib
import json
import os
import random

import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from nonlocal_block import NonLocalClassifier, load_classifier, load_denoiser, weights  # noqa: E402
from nonlocal_block.classifier import save_classifier  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "trained.safetensors"
    weights.save(source, torch.nn.Linear(1, 2), {"in_features": 1, "out_features": 2}, {"seed": 3})
    place = tmp_path / "weights"
    place.mkdir()
    weights.ship("one", source, "Linear", place)
    return place


def test_what_was_shipped_is_found(folder, tmp_path):
    weights.ship("two", tmp_path / "trained.safetensors", "Linear", folder)
    for name in ("one", "two"):
        arguments, state, notes = weights.shipped(name, "Linear", folder)
        assert (arguments, notes) == ({"in_features": 1, "out_features": 2}, {"seed": 3})
        assert {key: tensor.shape for key, tensor in state.items()} == {"weight": (2, 1), "bias": (2,)}
    assert sorted(p.name for p in folder.iterdir()) == ["index.json", "one.safetensors", "two.safetensors"]


def test_half_the_bytes(tmp_path):
    network, place = torch.nn.Linear(40, 50), tmp_path / "weights"
    place.mkdir()
    weights.save(tmp_path / "whole.safetensors", network, {"a": 1}, {"seed": 3})
    path = weights.ship("half", tmp_path / "whole.safetensors", "Linear", place, half=True, notes={"licence": "free"})
    assert path.stat().st_size < 0.6 * (tmp_path / "whole.safetensors").stat().st_size
    arguments, state, notes = weights.shipped("half", "Linear", place)
    assert (arguments, notes) == ({"a": 1}, {"seed": 3, "licence": "free"})
    torch.testing.assert_close(state["weight"].float(), network.weight.detach(), rtol=1e-3, atol=1e-6)
    assert weights.digest("half", place) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda f: (f / "one.safetensors").unlink(), FileNotFoundError, "one.safetensors is missing"),
        (lambda f: changed(f, slice(None, -1)), ValueError, r"truncated: it must have \d+ bytes; got \d+\. Install"),
        (lambda f: changed(f, slice(None), b"a"), ValueError, r"damaged: it must have \d+ bytes; got \d+\. Install"),
        (lambda f: changed(f, slice(None, -1), b"a"), ValueError, "was changed: its SHA-256 must be"),
        (lambda f: (f / "index.json").unlink(), FileNotFoundError, "index of checkpoints, is missing"),
        (lambda f: (f / "index.json").write_text("{"), ValueError, "index.json is not an index of checkpoints"),
        (lambda f: (f / "index.json").write_text("[]"), ValueError, "index.json is not an index of checkpoints"),
        (lambda f: (f / "index.json").write_text('{"format": 1}'), ValueError, "is not an index of checkpoints"),
        (lambda f: (f / "index.json").write_text('{"format": 2}'), ValueError, "got 2: a newer version .* wrote it"),
        (lambda f: (f / "index.json").write_text('{"format": "x"}'), ValueError, "got 'x': it is corrupt"),
    ],
)
def test_what_is_not_as_shipped_is_named(folder, spoil, error, words):
    spoil(folder)
    with pytest.raises(error, match=words):
        weights.shipped("one", "Linear", folder)


def changed(folder, part, more=b""):
    path = folder / "one.safetensors"
    path.write_bytes(path.read_bytes()[part] + more)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (2, "must be of format 1 or older; got 2: a newer version wrote it: update the package"),
        (0, "must be of format 1 or older; got 0: there is none such"),
        ("x", "does not say what it holds"),
    ],
)
def test_files_of_other_formats(tmp_path, monkeypatch, form, words):
    monkeypatch.setattr(weights, "FORMAT", form)
    weights.save(tmp_path / "other.safetensors", torch.nn.Linear(1, 2), {}, {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match=words):
        weights.load(tmp_path / "other.safetensors", "Linear")
    with pytest.raises(ValueError, match=r"does not hold a Conv2d; its metadata is {.*Linear"):
        weights.load(tmp_path / "other.safetensors", "Conv2d")


def with_header(content, change):
    """Return a safetensors file with another header."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("arguments", "[1]", "does not say what it holds: .*arguments and notes must be objects"),
        ("notes", "5", "does not say what it holds: .*arguments and notes must be objects"),
        ("arguments", "[" * 100_000, "does not say what it holds"),
        ("arguments", '{"channels": 3}', "does not fit NonLocalDenoiser.*: head.weight must be .*12, 64"),
        (
            "arguments",
            '{"widths": [1000000, 1000000, 1000000]}',
            "widths must be at most 80 for tensors of these sizes",
        ),
        ("arguments", '{"blocks": [1000000000, 1, 1]}', "blocks must be at most 80 for tensors of these sizes"),
        ("arguments", '{"lasts": 2}', "does not fit NonLocalDenoiser"),
        ("network", "x" * 100_000, "does not hold a NonLocalDenoiser"),
    ],
)
def test_damaged_metadata_are_one_short_line(tmp_path, name, value, words):
    content = (weights.FOLDER / "denoiser-grey.safetensors").read_bytes()
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(with_header(content, lambda header: header["__metadata__"].update({name: value})))
    with pytest.raises(ValueError, match=words) as caught:
        load_denoiser(1, path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(path))


def test_numbers_of_another_kind_are_refused(tmp_path):
    content = (weights.FOLDER / "denoiser-grey.safetensors").read_bytes()
    path = tmp_path / "whole.safetensors"
    path.write_bytes(with_header(content, lambda header: header["head.weight"].update(dtype="I16")))
    with pytest.raises(ValueError, match=r"head.weight must be .*torch\.float32.*; got .*torch\.int16"):
        load_denoiser(1, path)


def test_mutants_of_a_file_load_or_are_refused(tmp_path):
    rng, path, said = random.Random(0), tmp_path / "mutant.safetensors", []
    source = tmp_path / "whole.safetensors"
    save_classifier(source, NonLocalClassifier("none"), {"seed": 3})
    content = source.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(200):
        mutant = bytearray(content[: rng.choice([header, header + 100, len(content)])])
        for _ in range(rng.choice([1, 3, 20])):
            mutant[rng.randrange(min(len(mutant), rng.choice([8, header])))] = rng.randrange(256)
        path.write_bytes(mutant)
        try:
            load_classifier(path)
        except ValueError as error:
            said.append(str(error))
    assert len(said) > 100
    assert not any("\n" in line for line in said)


def test_an_index_that_cannot_be_read_is_left_alone(folder, tmp_path):
    (folder / "index.json").write_text("{")
    before = (folder / "one.safetensors").read_bytes()
    other = tmp_path / "other.safetensors"
    weights.save(other, torch.nn.Linear(5, 5), {}, {})
    with pytest.raises(ValueError, match="is not an index"):
        weights.ship("one", other, "Linear", folder)
    assert (folder / "one.safetensors").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_others_may_read_what_is_saved(folder):
    mask = os.umask(0)
    os.umask(mask)
    assert (folder / "one.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask


def test_unknown_names(folder):
    with pytest.raises(ValueError, match="checkpoint of that name: one; got 'other'"):
        weights.shipped("other", "Linear", folder)


def test_every_shipped_file_is_whole_and_says_how_it_was_made():
    names = json.loads((weights.FOLDER / weights.INDEX).read_text(encoding="utf-8"))["files"]
    assert set(names) == {
        "classifier", "denoiser-differences", "denoiser-grey", "denoiser-grey-fast", "denoiser-mixer",
    }  # fmt: skip
    assert sum(entry["bytes"] for entry in names.values()) < 8e6
    for name in names:
        network = {"classifier": "NonLocalClassifier", "denoiser-mixer": "Mixer"}.get(name, "NonLocalDenoiser")
        _, state, notes = weights.shipped(name, network)
        assert sum(tensor.numel() for tensor in state.values()) < 1e6
        assert {"seed", "recipe", "figures", "torch", "licence"} <= set(notes)


def test_the_classifier_on_mnist(shared):
    from nlmeans.datasets import mnist

    network, notes = load_classifier()
    test = mnist("test", shared / "mnist")
    images = torch.from_numpy(test.images)[:, None].float() / 255
    with torch.inference_mode():
        found = torch.cat([network(some).argmax(1) for some in images.split(500)]).numpy()
    # A digit or two lie so near the border that another processor's rounding moves them across.
    assert (found == test.labels).mean() == pytest.approx(notes["figures"]["test_accuracy"], abs=3e-4)
