"""Every Python line of the README, and of the page on large files, runs."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKS, LARGE = (
    re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    for page in ("README.md", "docs/large.md")
)


def test_python_blocks_run(capsys, tmp_path, monkeypatch):
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
    assert len(BLOCKS) >= 3
    for block in BLOCKS:
        if "torch" in block:
            pytest.importorskip("torch")
        exec(block, names)
    assert "sigma" in capsys.readouterr().out


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


def test_a_block_leaves_a_trained_network_as_it_was():
    torch = pytest.importorskip("torch")
    block = next(block for block in BLOCKS if "insert" in block)
    before, insertion = block.rsplit("network.insert", 1)
    names = {"torch": torch}
    exec("from nonlocal_block import NonLocalBlock2d\n" + before, names)
    names["denoiser"].eval()
    x = torch.rand(2, 3, 20, 20)
    ref = names["denoiser"](x)
    exec("network.insert" + insertion, names)
    assert torch.equal(names["denoiser"](x), ref)
