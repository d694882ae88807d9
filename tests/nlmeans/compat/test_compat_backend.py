"""scikit-image's dispatching: nothing changes unless it is asked for, and then what we can compute is ours."""

import importlib.metadata
import os
import subprocess
import sys

import numpy as np
import pytest

from nlmeans.compat import skimage as compat
from nlmeans.compat import skimage_backend as backend

NAME = "skimage.restoration:denoise_nl_means"
IMAGE = np.random.default_rng(0).normal(0.5, 0.1, (20, 24))
COLOUR = np.dstack([IMAGE] * 3)


@pytest.fixture
def switched_on(monkeypatch):
    monkeypatch.setenv("NLMEANS_SKIMAGE", "1")


@pytest.fixture
def installed():
    """Skip visibly where scikit-image does not dispatch, or cannot find our entry points."""
    pytest.importorskip("skimage.util._backends", reason="scikit-image before 0.26 has no backends")
    for group in ("skimage_backends", "skimage_backend_infos"):
        if not importlib.metadata.entry_points(group=group, name="nlmeans"):
            pytest.skip(f"the entry points of group {group} are not there: pip install -e .")


def run(code, **environment):
    """Return what a fresh interpreter prints in which warnings of dispatching are errors."""
    own = {
        name: value for name, value in os.environ.items() if name not in ("NLMEANS_SKIMAGE", "SKIMAGE_NO_DISPATCHING")
    }
    start = "import sys, warnings\nwarnings.simplefilter('error', RuntimeWarning)\nimport numpy as np\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code], env={**own, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_off_unless_asked_for(monkeypatch):
    for value in (None, "", "0", "yes"):
        if value is None:
            monkeypatch.delenv("NLMEANS_SKIMAGE", raising=False)
        else:
            monkeypatch.setenv("NLMEANS_SKIMAGE", value)
        assert not backend.information().supported_functions
        assert not backend.can_has(NAME, IMAGE)
    monkeypatch.setenv("NLMEANS_SKIMAGE", "1")
    assert list(backend.information().supported_functions) == [NAME]
    assert backend.can_has(NAME, IMAGE)


def test_non_local_means_alone_is_offered(switched_on):
    assert backend.get_implementation(NAME) is compat.denoise_nl_means
    for name in ("skimage.restoration:estimate_sigma", "skimage.metrics:mean_squared_error"):
        assert not backend.can_has(name, IMAGE)
        with pytest.raises(ValueError, match=f"must be {NAME}; got '{name}'"):
            backend.get_implementation(name)


TAKEN = [
    ((IMAGE,), {}),
    ((IMAGE, 5, 3, 0.08, False, 0.1), {}),
    ((), dict(image=IMAGE.astype(np.float16), h=np.float32(0.2), patch_size=np.int64(3))),
    ((COLOUR,), dict(channel_axis=-1, patch_distance=3)),
    ((np.zeros((6, 7, 8), np.uint8),), dict(preserve_range=True, patch_size=3, patch_distance=2)),
    ((np.zeros((6, 7, 8, 2)),), dict(channel_axis=3, patch_size=3, patch_distance=2)),
    ((IMAGE > 0.5,), {}),
]
LEFT = [
    ((), {}),
    ((IMAGE,), dict(multichannel=True)),
    ((IMAGE.tolist(),), {}),
    ((np.ma.masked_array(IMAGE),), {}),
    ((np.zeros((3, 4, 5, 6)),), dict(patch_size=3, patch_distance=1)),
    ((np.zeros((3, 4, 5, 6, 2)),), dict(channel_axis=-1)),
    ((IMAGE[0],), {}),
    ((IMAGE,), dict(channel_axis=0)),
    ((COLOUR,), dict(channel_axis=3)),
    ((COLOUR,), dict(channel_axis=(-1,))),
    ((IMAGE.astype(np.int64),), {}),
    ((IMAGE.astype(complex),), {}),
    ((IMAGE[:0],), {}),
    ((IMAGE,), dict(h=0)),
    ((IMAGE,), dict(h=-0.1)),
    ((IMAGE,), dict(h=np.nan)),
    ((IMAGE,), dict(sigma=-1)),
    ((IMAGE,), dict(sigma=None)),
    ((IMAGE,), dict(fast_mode=1)),
    ((IMAGE,), dict(preserve_range="no")),
    ((IMAGE,), dict(patch_size=5.0)),
    ((IMAGE,), dict(patch_size=0)),
    ((IMAGE,), dict(patch_distance=-1)),
]


@pytest.mark.parametrize(("args", "kwargs"), TAKEN)
def test_what_is_taken_is_computed(switched_on, args, kwargs):
    assert backend.can_has(NAME, *args, **kwargs)
    compat.denoise_nl_means(*args, **kwargs)


@pytest.mark.parametrize(("args", "kwargs"), LEFT)
def test_what_is_not_ours_is_left_to_scikit_image(switched_on, args, kwargs):
    assert not backend.can_has(NAME, *args, **kwargs)


def test_deciding_looks_at_no_pixels(switched_on):
    image = np.broadcast_to(0.5, (1 << 20, 1 << 20))
    assert backend.can_has(NAME, image)


def test_nothing_heavy_is_imported():
    code = "import nlmeans.compat.skimage_backend as backend\nbackend.can_has('skimage.restoration:denoise_nl_means', "
    code += "np.zeros((9, 9)))\nprint(*{'numba', 'scipy', 'skimage', 'torch'} & set(sys.modules))"
    assert run(code, NLMEANS_SKIMAGE="1") == "\n"


RESULTS = """
from skimage import metrics, restoration
image = np.random.default_rng(0).normal(0.5, 0.1, (40, 50))
result = restoration.denoise_nl_means(image, 5, 4, h=0.08, sigma=0.1)
print(result.tobytes().hex())
print(metrics.mean_squared_error(image, result).hex(), metrics.normalized_root_mse(image, result).hex())
print('numba' in sys.modules)
"""


def test_scikit_image_gives_its_own_results(installed):
    assert run(RESULTS) == run(RESULTS, SKIMAGE_NO_DISPATCHING="1")


def test_asked_for_too_where_it_does_not_dispatch_non_local_means(installed):
    """As 0.26 does not: it dispatches two metrics, which stay its own."""
    asked = run(
        "from skimage import metrics, restoration\n"
        "for function in (metrics.mean_squared_error, metrics.normalized_root_mse, restoration.denoise_nl_means):\n"
        "    print(function.__code__.co_filename.endswith('_backends.py'))"
    ).split()
    assert asked[:2] == ["True", "True"]
    if asked[2] == "True":
        pytest.skip("this scikit-image dispatches non-local means")
    assert run(RESULTS, NLMEANS_SKIMAGE="1") == run(RESULTS, SKIMAGE_NO_DISPATCHING="1")


DISPATCHED = """
from skimage import restoration
from skimage.util._backends import DispatchNotification, dispatchable
from nlmeans.compat.skimage import denoise_nl_means as ours

theirs = restoration.denoise_nl_means
if theirs.__code__.co_filename.endswith('_backends.py'):
    theirs = theirs.__wrapped__
call = dispatchable(theirs)
image = np.random.default_rng(0).normal(0.5, 0.1, (40, 50))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter('always')
    result = call(image, 5, 4, h=0.08, sigma=0.1)
print(*(name for name, function in (('ours', ours), ('theirs', theirs))
    if np.array_equal(result, function(image, 5, 4, h=0.08, sigma=0.1))))
print(*("to the 'nlmeans' backend" in str(w.message) for w in told if issubclass(w.category, DispatchNotification)))
print(call(np.zeros((3, 4, 5, 6)), 3, 1).shape)  # a notification would be an error
"""


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        ({"NLMEANS_SKIMAGE": "1"}, "ours\nTrue\n"),
        ({}, "theirs\n\n"),
        ({"NLMEANS_SKIMAGE": "1", "SKIMAGE_NO_DISPATCHING": "1"}, "theirs\n\n"),
    ],
)
def test_a_release_that_dispatches_it_gets_ours_where_we_can(installed, switch, expected):
    """Its own function is made dispatchable as it makes others; one with four dimensions is left to it."""
    assert run(DISPATCHED, **switch) == expected + "(3, 4, 5, 6)\n"
