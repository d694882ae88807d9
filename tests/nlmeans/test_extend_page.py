"""docs/extend.md: its package is installed with the entry points that it names, and its other blocks run with it."""

import sys

import numpy as np
import pytest
from pages import blocks, run

import nlmeans
from nlmeans.formats import table
from nlmeans.methods import registry

BLOCKS = blocks("docs/extend.md")
PYTHON = [block.code for block in BLOCKS if block.language == "python"]
POINTS = [block.code for block in BLOCKS if block.language == "toml"]
SHELL = [line for block in BLOCKS if block.language == "sh" for line in block.code.splitlines()]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    site = tmp_path / "site"
    points = [point.removeprefix("[project.entry-points.").replace('"', "").replace(" ", "") for point in POINTS]
    (site / "yourpackage-1.dist-info").mkdir(parents=True)
    (site / "yourpackage-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: yourpackage\nVersion: 1\n")
    (site / "yourpackage-1.dist-info/entry_points.txt").write_text("".join(f"[{point}" for point in points))
    (site / "yourpackage.py").write_text("\n".join(block for block in PYTHON if "class " in block), encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    for cached in (registry._named, table.others):
        cached.cache_clear()
    yield
    sys.modules.pop("yourpackage", None)
    for cached in (registry._named, table.others):
        cached.cache_clear()


def test_the_page_on_other_packages(installed, tmp_path, capsys):
    import yourpackage

    rng = np.random.default_rng(0)
    clean = 100.0 + 50 * (np.arange(60) > 30) * np.ones((50, 1))
    speckle = np.exp(rng.normal(-0.02, 0.2, clean.shape))
    names = {"image": clean + rng.normal(0, 10, clean.shape), "radar": clean * speckle, **vars(yourpackage)}
    for block in PYTHON:
        if "class " not in block:
            exec(block, names)
    assert "Speckle, share 0." in capsys.readouterr().out
    assert np.square(names["clean"] / clean - 1).mean() < 0.5 * np.square(speckle - 1).mean()
    result = nlmeans.denoise(names["image"], method="local-wiener")
    assert np.square(result - clean).mean() < 0.3 * 10**2
    for dtype in (np.uint8, np.uint16):
        grey = names["image"].astype(dtype)
        nlmeans.io.write("a.pgx", nlmeans.io.Picture(grey, "YX"), overwrite=True)
        assert (tmp_path / "a.pgx").read_bytes().startswith(f"PG ML +{8 * grey.itemsize} 60 50\n".encode())
        np.testing.assert_array_equal(nlmeans.io.read("a.pgx").pixels, grey)
    with pytest.raises(nlmeans.io.PictureError, match="PGX holds grey pictures of 8 or 16 bits; got float64"):
        nlmeans.io.write("b.pgx", nlmeans.io.Picture(names["image"], "YX"))
    (tmp_path / "c.pgx").write_bytes(b"PG ML +8 60 50\n and no more")
    with pytest.raises(nlmeans.io.PictureError, match="damaged or cut short"):
        nlmeans.io.read("c.pgx")


@pytest.mark.parametrize("line", SHELL)
def test_lines_of_shell_run(line, installed):
    pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    nlmeans.io.write("noisy.pgx", nlmeans.io.Picture(np.full((40, 50), 99, np.uint8), "YX"))
    run(line)
