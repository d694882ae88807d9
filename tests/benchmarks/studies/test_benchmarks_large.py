"""python -m benchmarks large: small files, and the tables."""

import json

import pytest

pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
pytest.importorskip("distributed", reason="dask is not installed: pip install 'nlmeans[scale]'")

from benchmarks.__main__ import main
from benchmarks.studies import large


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(large, "whole", lambda shape, axes, threads: lambda: 1e6)


@pytest.mark.usefixtures("quick")
def test_a_small_run(tmp_path, capsys):
    out = tmp_path / "large.json"
    flags = [
        "--side",
        "512",
        "--depth",
        "8",
        "--threads",
        "1",
        "--budgets",
        "1024",
        "--folder",
        str(tmp_path),
        "--out",
        str(out),
    ]
    assert main(["large", *flags, "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    names = [row["file"] for row in found["files"]]
    assert names == ["picture.npy", "picture.tif", "picture.zarr", "volume.zarr", "volume.zarr"]
    for row in (*found["files"], *found["budgets"]):
        assert 0 < row["peak"] < row["budget"]
        assert row["seconds"] > 0
    assert all(row["rate"] > 0 for row in found["dask"])
    assert "| picture.tif, 512 × 512, 16 bits |" in capsys.readouterr().out
    assert [item.name for item in tmp_path.iterdir()] == ["large.json"]
