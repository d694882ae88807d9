"""Files by a dask cluster: on several workers, when one is killed, and when the scheduler goes away."""

import json
import os
import subprocess
import sys
import time
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

import nlmeans
from nlmeans import large
from nlmeans.formats.own import zarr as zarr_format
from nlmeans.large import workers
from nlmeans.large.blocks import Sizes

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
pytest.importorskip("distributed", reason="dask is not installed: pip install 'nlmeans[scale]'")

GREY = np.random.default_rng(0).normal(100, 10, (400, 410)).astype(np.float32)
denoise = partial(large.denoise, sizes=Sizes((64 * 64, 64 * 64)))


@cache
def ref():
    """Return what the whole image becomes."""
    return nlmeans.denoise(GREY, 10, quality="best")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(zarr_format.FORMAT, "chunk", {"Y": 64, "X": 64})
    np.save("noisy.npy", GREY)


@pytest.fixture
def started(tmp_path):
    """Start a scheduler and two workers as processes of their own; return them and the address."""
    place, alive = tmp_path / "scheduler.json", []
    options = ["--scheduler-file", str(place), "--no-dashboard"]

    def start(module, *more):
        alive.append(
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *options, *more],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    start("dask_scheduler", "--port", "0", "--host", "127.0.0.1")
    for _ in range(2):
        start("dask_worker", "--nthreads", "1", "--no-nanny")
    try:
        end = time.monotonic() + 60
        while not place.exists():
            assert time.monotonic() < end
            time.sleep(0.1)
        address = json.loads(place.read_text())["address"]
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield alive, address
    finally:
        for process in alive:
            process.kill()
            process.wait()


def test_several_workers(cluster):
    report = denoise("noisy.npy", "clean.zarr", 10, quality="best", scheduler=cluster.scheduler_address)
    np.testing.assert_allclose(zarr.open("clean.zarr")["0"][...], ref(), atol=2e-3)
    assert report.threads == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what is left of a connection
def test_a_worker_that_is_killed_spoils_nothing_and_without_a_scheduler_the_run_is_gone_on_with(started):
    (scheduler, worker, _), address = started

    def killing(process):
        return lambda done, total: process.kill() if done == 5 else None

    denoise("noisy.npy", "one.zarr", 10, quality="best", scheduler=address, progress=killing(worker))
    assert worker.wait(10) != 0
    np.testing.assert_allclose(zarr.open("one.zarr")["0"][...], ref(), atol=2e-3)

    with pytest.raises(large.Unfinished, match=r"the scheduler at .* went away; \d+ of 49 blocks are done"):
        denoise("noisy.npy", "clean.zarr", 10, quality="best", scheduler=address, progress=killing(scheduler))
    seen = []
    denoise("noisy.npy", "clean.zarr", 10, quality="best", progress=lambda done, _: seen.append(done))
    assert len(seen) < 49
    np.testing.assert_allclose(zarr.open("clean.zarr")["0"][...], ref(), atol=2e-3)


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 1)
    before = sorted(os.listdir())
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        denoise("noisy.npy", "clean.zarr", 10, scheduler="tcp://127.0.0.1:1")
    assert sorted(os.listdir()) == before
    assert Path("noisy.npy").exists()
