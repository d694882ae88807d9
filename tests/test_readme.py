"""Every Python line of the README and of the pages that are written by hand runs."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import nlmeans
from nlmeans.formats import table
from nlmeans.methods import registry

ROOT = Path(__file__).resolve().parents[1]


def blocks_of(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


LARGE, EXTEND, LEARNED = map(blocks_of, ("docs/large.md", "docs/extend.md", "docs/how/block.md"))
PAGES = [
    str(path.relative_to(ROOT))
    for pattern in ("README.md", "docs/start/*.md", "docs/how/*.md", "docs/contribute/*.md")
    for path in sorted(ROOT.glob(pattern))
    if blocks_of(path)
]


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = {
        "image": rng.normal(100, 10, (40, 50)),
        "photo": rng.integers(0, 256, (40, 50, 3), dtype=np.uint8),
        "stack": rng.normal(100, 10, (3, 30, 30)).astype(np.float32),
        "volume": rng.normal(100, 10, (6, 30, 30)).astype(np.float32),
        "video": rng.normal(100, 10, (4, 30, 30)).astype(np.float32),
        "sigma_map": np.linspace(8, 12, 50) * np.ones((40, 1)),
        "counts": 2.0 * rng.poisson(np.linspace(5, 100, 128) * np.ones((128, 1))),
        "depth": np.where(rng.random((64, 64)) < 0.05, 0, rng.normal(800, 8, (64, 64))),
        "mri": np.hypot(rng.normal(50, 5, (64, 64)) * (np.arange(64) > 30), rng.normal(0, 5, (64, 64))),
    }
    np.save("big.npy", names["volume"])
    for block in blocks_of(page):
        if "torch" in block or 'method="learned"' in block:
            pytest.importorskip("torch")
        exec(block, names)


def test_the_page_on_large_files(tmp_path, monkeypatch):
    pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    monkeypatch.chdir(tmp_path)
    volume = np.random.default_rng(0).normal(100, 10, (20, 30, 30)).astype(np.float32)
    np.save("big.npy", volume)
    names = {"volume": volume}
    assert len(LARGE) >= 2
    for block in LARGE:
        exec(block, names)
    assert names["clean"].shape == volume.shape


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install the page's package with the page's entry points, and run its other blocks."""
    site, page = tmp_path / "site", (ROOT / "docs/extend.md").read_text(encoding="utf-8")
    points = [block.removeprefix("[project.entry-points.").replace('"', "").replace(" ", "") for block in
              re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]  # fmt: skip
    (site / "yourpackage-1.dist-info").mkdir(parents=True)
    (site / "yourpackage-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: yourpackage\nVersion: 1\n")
    (site / "yourpackage-1.dist-info/entry_points.txt").write_text("".join(f"[{point}" for point in points))
    (site / "yourpackage.py").write_text("\n".join(block for block in EXTEND if "class " in block), encoding="utf-8")
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
    for block in EXTEND:
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


def test_a_block_leaves_a_trained_network_as_it_was():
    torch = pytest.importorskip("torch")
    block = next(block for block in LEARNED if "insert" in block)
    before, insertion = block.rsplit("network.insert", 1)
    names = {"torch": torch}
    exec("from nonlocal_block import NonLocalBlock2d\n" + before, names)
    names["network"].eval()
    x = torch.rand(2, 3, 20, 20)
    ref = names["network"](x)
    exec("network.insert" + insertion, names)
    assert torch.equal(names["network"](x), ref)
