"""What all tests share: where optional data lies, and settings of the property tests."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import threads
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
NEEDS = {
    "torch": ("nonlocal_block/*",),
    "safetensors": ("nonlocal_block/classifier.py", "nonlocal_block/denoising.py"),
    "rawpy": ("nlmeans/raw.py",),
    "av": ("nlmeans/formats/own/video/*",),
    "pydicom": ("nlmeans/formats/own/dicom/*",),
    "ipywidgets": ("nlmeans/notebook/*",),
    "xarray": ("nlmeans/compat/xarray.py",),
    "napari": tuple(
        f"nlmeans/napari/{name}.py" for name in ("controls", "layers", "plot", "result", "weights", "widget", "worker")
    ),
}
"""Optional packages, and the doctests that need them; tests say it themselves, by `pytest.importorskip`."""
ABSENT = [name for name in NEEDS if find_spec(name) is None]

# A first example may have to compile a kernel: no deadline. The seed is fixed, so that a failure can be had again.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("campaign", settings.get_profile("default"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("default")


def pytest_configure(config):
    """Leave out what cannot be imported, share the processors, and take Ctrl-C as usual.

    Side by side, threads of linear algebra mostly wait for each other, and programs that tests start would compile
    the package's modules each time. A shell that starts the tests in the background has them, and their children,
    ignore Ctrl-C.
    """
    if config.getoption("numprocesses", None):
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    left_out = [str(ROOT / path) for name in ABSENT for path in NEEDS[name]]
    config.option.ignore_glob = [*(config.option.ignore_glob or ()), *left_out]


def pytest_terminal_summary(terminalreporter):
    """Say what was left out."""
    for name in ABSENT:
        terminalreporter.write_line(f"SKIPPED doctests of {', '.join(NEEDS[name])}: {name} is not installed")


@pytest.fixture
def shared():
    """Return the folder of public image sets, or skip visibly where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no image sets at {SHARED}")
    return SHARED


@pytest.fixture
def real(shared):
    """Return the folder of files that other programs wrote, or skip visibly where it is absent."""
    if not (shared / "Formats").is_dir():
        pytest.skip(f"no files of others at {shared / 'Formats'}")
    return shared / "Formats"


@pytest.fixture(scope="module")
def one_thread():
    """Leave the processors to others, as long as a module's tests run."""
    with threads.one_thread():
        yield


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Return the folder of a small run of two suites, with its page."""
    from benchmarks.__main__ import main

    place = tmp_path_factory.mktemp("run")
    few = ["--threads", "1", "--repeat", "3", "--out", str(place)]
    methods = "noisy,nlmeans-fast,nlmeans-balanced,skimage-tv"
    assert main(["quality", "--quick", "--only", "camera-25,astronaut-25", "--methods", methods, *few]) == 0
    assert main(["scaling", "--quick", "--only", "pixels-256,pixels-512", *few]) == 0
    return place


@pytest.fixture(scope="session")
def cluster():
    """Return a dask cluster of two local workers; a visible skip without dask."""
    distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'nlmeans[scale]'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=40
    ) as found:
        yield found


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a real browser; a visible skip where there is none."""
    pytest.importorskip("selenium")
    from browsing import browsers

    yield from browsers(tmp_path_factory.mktemp("profile"))
