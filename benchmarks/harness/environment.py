"""Where the numbers were taken: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
"""The folder that holds the packages that are measured."""
RESULTS = ROOT / "benchmarks" / "results"
"""Where results are committed."""

PACKAGES = ("nlmeans", "numpy", "numba", "llvmlite", "torch", "scipy", "scikit-image", "pillow", "typer", "rich")
PEERS = (
    "dipy", "bm3d", "PyWavelets", "opencv-python-headless", "opencv-python", "opencv-contrib-python-headless",
    "opencv-contrib-python",
)  # fmt: skip
FLAGS = re.compile(r"sse4|ssse3|avx|fma|f16c|bmi|amx|asimd|neon|sve")
SETTINGS = re.compile(r"(NUMBA|OMP|OPENBLAS|MKL|OPENCV|SKIMAGE|TORCH|TORCHINDUCTOR)_(?!.*(DIR|PATH))")
POOLS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)  # fmt: skip


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def brief() -> dict[str, Any]:
    """Return the version and the processor, for studies whose times are compared with each other alone."""
    return {"nlmeans": own_version(), "cpu": machine()["cpu"]}


def describe() -> dict[str, Any]:
    """Return all that a reader needs to know about where numbers come from, as it stands in result files."""
    return {
        "machine": machine(),
        "os": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name in PACKAGES + PEERS if (version := installed(name))},
        "settings": {name: value for name, value in sorted(os.environ.items()) if SETTINGS.match(name)},
        "git": git(),
    }


def machine() -> dict[str, Any]:
    """Return the processor with the flags that matter for arithmetic, cores, memory and what else was running."""
    import psutil

    info = _processor()
    return {
        "cpu": " ".join(info.get("brand_raw", platform.processor() or platform.machine()).split()),
        "architecture": platform.machine(),
        "flags": sorted(flag for flag in info.get("flags", []) if FLAGS.match(flag)),
        "cores": psutil.cpu_count(logical=False),
        "cpus": psutil.cpu_count(),
        "cpus_available": available_cpus(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


@cache
def _processor() -> dict[str, Any]:
    """Return what is known of the processor, which takes a second to ask."""
    import cpuinfo

    info: dict[str, Any] = cpuinfo.get_cpu_info()
    return info


def installed(package: str) -> str | None:
    """Return an installed package's version; this project's where it is not installed but lies here, too."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return own_version() if package == "nlmeans" else None


def own_version() -> str:
    """Return the version of the code that is measured."""
    import nlmeans

    return nlmeans.__version__


def git() -> dict[str, Any]:
    """Return the commit of the code, and whether files differ from it; results that an earlier run left do not count.

    Both are None where the code is no checkout.
    """

    def ask(*arguments: str) -> str | None:
        try:
            answer = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
        except OSError:
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    changes = ask("status", "--porcelain", "--", ".", ":(exclude)benchmarks/results")
    return {"commit": ask("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def slug(description: dict[str, Any]) -> str:
    """Return a folder name for a machine: its processor and how many of its CPUs were there to use."""
    cpu = re.sub(r"\((R|TM)\)|\bCPU\b|@.*", " ", description["cpu"], flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", f"{cpu} {description['cpus_available']} cpus".lower()).strip("-")


def for_child(threads: int, **more: str) -> dict[str, str]:
    """Return the environment of a fresh process: it finds the same packages, and its pools have as many threads."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path} | dict.fromkeys(POOLS, str(threads)) | more
