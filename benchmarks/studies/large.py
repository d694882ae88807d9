"""Files larger than memory, from disk to disk: ``python -m benchmarks large``.

A picture and a volume of photographs and noise are written to a folder, and denoised from disk to disk, each run in a
process of its own whose memory is measured by the system. Before and after each a piece of the same pixels is
denoised in memory on as many threads: what counts is the share of its pixels a second. Then budgets of memory, and what
was used of them; and dask, in this process and on a cluster of local workers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nlmeans

from ..harness import environment, files
from ..harness.environment import available_cpus
from ..harness.fresh import run
from ..harness.published import Row, Table, named

SIGMA, BUDGET, WIDE = 300.0, 1.5 * 2**30, 4 * 2**30
"""The noise, and bytes that a run may hold: volumes have smaller margins in larger blocks."""
BUDGETS = (450, 600, 1024, 2048)
"""In MiB."""
MEGA = 2.0**20
CODE = """
import json, sys, time
from nlmeans import large
start = time.perf_counter()
large.denoise(sys.argv[1], sys.argv[2], overwrite=True, **json.loads(sys.argv[3]))
seconds = time.perf_counter() - start
from benchmarks.harness.child import peak_memory
print(seconds, peak_memory())
"""
"""What a process of its own runs."""


def strip(rows: int, width: int, seed: int) -> np.ndarray:
    """Return rows of a photograph side by side in 16 bits, with noise."""
    from skimage import data

    photograph = data.camera().astype(np.float32) * 20 + 500
    clean = np.tile(photograph, (rows // 512 + 1, width // 512 + 1))[:rows, :width]
    noisy = clean + np.random.default_rng(seed).normal(0, SIGMA, clean.shape)
    return np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)


def written(folder: Path, side: int, depth: int) -> dict[str, tuple[Path, tuple[int, ...], str]]:
    """Write the inputs, a strip at a time; return their paths, shapes and axes by their names."""
    import tifffile
    import zarr

    picture, volume = (side, side), (depth, side // 16, side // 16)
    step = min(1024, side)
    npy = np.lib.format.open_memmap(folder / "picture.npy", mode="w+", dtype=np.uint16, shape=picture)
    array = zarr.create_array(folder / "picture.zarr", shape=picture, dtype="uint16", chunks=(step, step))
    for row in range(0, side, step):
        pixels = strip(step, side, row)
        npy[row : row + step] = pixels
        array[row : row + step] = pixels
    npy.flush()
    places = product(range(0, side, 256), repeat=2)
    tifffile.imwrite(
        folder / "picture.tif", (npy[y : y + 256, x : x + 256] for y, x in places),
        shape=picture, dtype=np.uint16, tile=(256, 256), compression="zlib", predictor=True, photometric="minisblack",
        metadata=None,
    )  # fmt: skip
    array = zarr.create_array(folder / "volume.zarr", shape=volume, dtype="uint16", chunks=(64, 64, 64))
    for z in range(0, depth, 64):
        array[z : z + 64] = np.stack([strip(volume[1], volume[2], z + k) for k in range(min(64, depth - z))])
    return {
        "picture.npy": (folder / "picture.npy", picture, "YX"),
        "picture.tif": (folder / "picture.tif", picture, "YX"),
        "picture.zarr": (folder / "picture.zarr", picture, "YX"),
        "volume.zarr": (folder / "volume.zarr", volume, "ZYX"),
    }


def whole(shape: tuple[int, ...], axes: str, threads: int) -> Callable[[], float]:
    """Return what denoises a piece of such an image in memory, and gives pixels a second."""
    piece = tuple(min(side, 4096 if len(shape) == 2 else 256) for side in shape)
    slices = [strip(piece[-2], piece[-1], seed) for seed in range(piece[0] if len(piece) == 3 else 1)]
    pixels = np.stack(slices).reshape(piece)

    def call() -> float:
        start = time.perf_counter()
        nlmeans.denoise(pixels, SIGMA, axes=axes, threads=threads)
        return pixels.size / (time.perf_counter() - start)

    call()  # compiles
    return call


def disk_to_disk(path: Path, axes: str, threads: int, budget: float) -> dict[str, Any]:
    """Denoise a file in a process of its own; return its seconds and the most memory that it held."""
    target = path.with_name("clean" + path.suffix)
    given = json.dumps({"sigma": SIGMA, "axes": axes, "threads": threads, "max_memory": budget})
    printed = run([sys.executable, "-c", CODE, str(path), str(target), given], dict(os.environ))
    seconds, peak = map(float, printed.split())
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    return {"seconds": round(seconds, 2), "peak": round(peak / MEGA), "budget": round(budget / MEGA)}


def from_disk(folder: Path, side: int, depth: int, threads: int) -> list[dict[str, Any]]:
    """Return the runs from disk to disk, with pixels a second, and those in memory."""
    rows = []
    for name, (path, shape, axes) in written(folder, side, depth).items():
        here = whole(shape, axes, threads)
        for budget in (BUDGET, WIDE) if len(shape) == 3 else (BUDGET,):
            before = here()
            done = disk_to_disk(path, axes, threads, budget)
            rate, memory = np.prod(shape) / done["seconds"], (before + here()) / 2
            rows.append({"file": name, "shape": shape, **done, "rate": rate, "memory": memory, "beside": rate / memory})
            print(rows[-1], file=sys.stderr)
    return rows


def budgets(folder: Path, threads: int, wanted: Sequence[int]) -> list[dict[str, Any]]:
    """Return what was used of several budgets, in MiB."""
    return [disk_to_disk(folder / "picture.zarr", "YX", threads, megabytes * MEGA) for megabytes in wanted]


def dask_runs(folder: Path, threads: int) -> list[dict[str, Any]]:
    """Return runs by dask: an array on its threads, the file on local workers."""
    import dask.array as da
    import zarr
    from distributed import Client, LocalCluster

    from nlmeans import large

    side = min(zarr.open(folder / "picture.zarr").shape[0], 8192)
    here = whole((side, side), "YX", threads)
    array = da.from_zarr(folder / "picture.zarr")[:side, :side]
    lazy = nlmeans.denoise(array, SIGMA)
    rows = []

    def add(what: str, call: Callable[[], Any], pixels: int) -> None:
        before = here()
        start = time.perf_counter()
        call()
        rate, memory = pixels / (time.perf_counter() - start), (before + here()) / 2
        rows.append({"what": what, "rate": rate, "memory": memory, "beside": rate / memory})
        print(rows[-1], file=sys.stderr)

    def on_threads() -> None:
        lazy.to_zarr(folder / "lazy.zarr", compute=True, overwrite=True)

    import dask

    with dask.config.set(scheduler="threads", num_workers=threads):
        add(f"array, {threads} threads", on_threads, side * side)
    with LocalCluster(n_workers=threads, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster):
            add(f"array, {threads} local workers", on_threads, side * side)
        source, target = folder / "picture.zarr", folder / "cluster.zarr"
        size = int(np.prod(zarr.open(source).shape))
        add(
            f"file, {threads} local workers",
            lambda: large.denoise(source, target, SIGMA, scheduler=cluster.scheduler_address),
            size,
        )
    return rows


def speeds(row: dict[str, Any]) -> Row:
    """Return the cells that say how fast a run was, and how fast the same is in memory."""
    return {
        "million pixels a second": f"{row['rate'] / 1e6:.2f}",
        "in memory": f"{row['memory'] / 1e6:.2f}",
        "beside": f"**{row['beside']:.0%}**",
    }


def shown(result: dict[str, Any]) -> list[Row]:
    """Return the runs from disk to disk as rows of a table."""
    return [
        {
            "from disk to disk": f"{row['file']}, {' × '.join(map(str, row['shape']))}, 16 bits",
            "allowed": f"{row['budget'] / 1024:g} GiB",
            "held": f"{row['peak']:,} MiB",
            "seconds": f"{row['seconds']:.1f}",
            **speeds(row),
        }
        for row in result["files"]
    ]


def shown_budgets(result: dict[str, Any]) -> list[Row]:
    """Return budgets of memory as rows of a table."""
    return [
        {
            "`--max-memory`": f"{row['budget']:,} MiB",
            "held at most": f"{row['peak']:,} MiB",
            "seconds": f"{row['seconds']:.1f}",
        }
        for row in result["budgets"]
    ]


def shown_dask(result: dict[str, Any]) -> list[Row]:
    """Return runs by dask as rows of a table."""
    return [{"by dask": row["what"], **speeds(row)} for row in result["dask"]]


TABLES: dict[str, Table] = {
    "large": lambda published: named(shown(published.study("large"))),
    "budgets": lambda published: named(shown_budgets(published.study("large"))),
    "dask": lambda published: named(shown_dask(published.study("large"))),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print tables, and write them to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks large", description=__doc__)
    parser.add_argument("--side", type=int, default=16384, help="pixels along each side of the picture")
    parser.add_argument("--depth", type=int, default=256, help="slices of the volume, a sixteenth of the side wide")
    parser.add_argument("--threads", type=int, default=available_cpus())
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, metavar="MIB", help="of memory to try")
    parser.add_argument("--folder", type=Path, help="where to write gigabytes; a temporary folder by default")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        result = {
            "threads": options.threads,
            "files": from_disk(folder, options.side, options.depth, options.threads),
            "budgets": budgets(folder, options.threads, options.budgets),
            "dask": dask_runs(folder, options.threads),
        }
    for rows in (shown, shown_budgets, shown_dask):
        print("\n".join(named(rows(result))))
    if options.out is not None:
        files.write_json(options.out, {**environment.brief(), **result})
    return 0
