"""Denoiser: the answer, the errors and the containers of denoise(), again and again, in memory that it keeps."""

import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from skimage import data

import nlmeans
from nlmeans._workspace import LEAST, Workspace, empty, lending
from nlmeans.noise import Rician

RNG = np.random.default_rng(0)
GREY = (data.camera()[100:196, 120:216] + RNG.normal(0, 15, (96, 96))).astype(np.float32)
COLOUR = np.clip(GREY[:60, :64, None] + RNG.normal(0, 8, (60, 64, 3)), 0, 255)


@pytest.mark.parametrize(("options", "image", "sigma"), [
    ({}, GREY, 15.0),
    ({}, GREY, None),
    ({"quality": "fast"}, GREY.astype(np.float64), 15.0),
    ({"quality": "best"}, GREY, 15.0),
    ({"quality": "preview", "strength": 0.7}, GREY, 15.0),
    ({"method": "ridge", "quality": "fast"}, GREY, 15.0),
    ({"method": "ridge", "channel_axis": -1}, COLOUR.astype(np.float32), [12.0, 17, 17]),
    ({"channel_axis": -1}, COLOUR.astype(np.uint8), 15.0),
    ({"axes": "NYX", "quality": "fast"}, np.stack([GREY, GREY[::-1], GREY.T]), [15.0, 12, 20]),
    ({"axes": "ZYX", "quality": "fast"}, np.stack([GREY[:40, :40]] * 5), 15.0),
    ({"mask": GREY > 30}, GREY, 15.0),
], ids=str)  # fmt: skip
def test_the_answer_is_that_of_denoise(options, image, sigma):
    ref, given = nlmeans.denoise(image, sigma, **options), image.copy()
    denoiser = nlmeans.Denoiser(options.pop("method", None), options.pop("quality", None), **options)
    first = denoiser(image, sigma)
    denoiser(image[..., ::-1] if "channel_axis" not in options else image[::-1], sigma)
    for comp in (first, denoiser(image, sigma), pickle.loads(pickle.dumps(denoiser))(image, sigma)):
        assert comp.dtype == ref.dtype
        np.testing.assert_array_equal(comp, ref)
    np.testing.assert_array_equal(image, given)
    out = np.empty_like(ref)
    assert denoiser(image, sigma, out=out) is out
    np.testing.assert_array_equal(out, ref)


def test_a_proximal_step_is_a_call_with_the_root():
    denoiser = nlmeans.Denoiser(quality="fast")
    np.testing.assert_array_equal(denoiser.prox(GREY, 225.0), nlmeans.denoise(GREY, 15.0, quality="fast"))
    np.testing.assert_array_equal(denoiser.prox(GREY, 0), GREY)
    for tau, error, words in ((-1, ValueError, "tau must be at least 0; got -1"), ("x", TypeError, "tau must be a n")):
        with pytest.raises(error, match=words):
            denoiser.prox(GREY, tau)


def test_two_threads_share_one():
    images, denoiser = [GREY, GREY[::-1].copy()], nlmeans.Denoiser(quality="balanced", threads=1)
    refs = [nlmeans.denoise(image, 15.0) for image in images]
    wrong, start = [], threading.Barrier(2)

    def work(k):
        start.wait()
        for _ in range(8):
            if not np.array_equal(denoiser(images[k], 15.0), refs[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_results_that_are_kept_stay():
    denoiser = nlmeans.Denoiser(quality="fast")
    kept = [denoiser(GREY + k, 15.0) for k in range(4)]
    for k, result in enumerate(kept):
        np.testing.assert_array_equal(result, nlmeans.denoise(GREY + k, 15.0, quality="fast"))


@pytest.mark.parametrize(("method", "quality", "images"), [
    ("nlm", "fast", 0.7), ("nlm", "balanced", 0.7), ("ridge", "fast", 1.5)
])  # fmt: skip
def test_a_call_takes_little_memory_beyond_its_result(method, quality, images):
    """``images`` says how far it falls short, in images: samples of 65,536 pixels by which it is judged, and flags."""
    noisy = np.tile(GREY, (8, 8))
    denoiser = nlmeans.Denoiser(method, quality, threads=1)
    result = denoiser(noisy, 15.0)
    result = denoiser(noisy, 15.0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    result = denoiser(noisy, 15.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.shape == noisy.shape
    assert peak - before < images * noisy.nbytes


@pytest.mark.parametrize(("options", "image", "sigma"), [
    ({"strength": -1}, GREY, 5), ({"patch_radius": 1.5}, GREY, 5), ({"method": "no"}, GREY, 5),
    ({"method": "ridge", "strength": 0.5}, GREY, 5), ({"quality": "good"}, GREY, 5), ({"axes": "ZYX"}, GREY, 5),
    ({"noise": Rician(5)}, GREY, 5), ({}, GREY, -5), ({}, COLOUR, 5), ({"guide": GREY[1:]}, GREY, 5),
    ({"axes": "YX", "channel_axis": 0}, GREY, 5), ({"passes": 3}, GREY, 5), ({}, GREY > 3, 5), ({"fill": 1}, GREY, 5),
], ids=str)  # fmt: skip
def test_errors_are_those_of_denoise(options, image, sigma):
    with pytest.raises((TypeError, ValueError)) as ref:
        nlmeans.denoise(image, sigma, **options)
    with pytest.raises(type(ref.value)) as comp:
        nlmeans.Denoiser(**options)(image, sigma)
    assert str(comp.value) == str(ref.value)


def test_what_no_image_can_have_is_refused_at_once():
    for options, error in (({"strength": -1}, ValueError), ({"sigma": 5}, TypeError), ({"out": GREY}, TypeError)):
        with pytest.raises(error):
            nlmeans.Denoiser(**options)
    assert repr(nlmeans.Denoiser("ridge", "fast", axes="YX")) == "Denoiser(axes='YX', method='ridge', quality='fast')"


def test_memory_is_lent_to_one_array_at_a_time():
    workspace = Workspace()
    first = workspace.empty((64, 64), np.float32)
    view, address = first[3:, 5:].T, first.ctypes.data
    del first
    second = workspace.empty((64, 64), np.float32)
    assert second.ctypes.data != address  # a view still has the first
    del view
    assert workspace.empty((32, 64), np.float64).ctypes.data == address  # of as many bytes
    with lending(workspace):
        assert empty((64, 64), np.float32).base is not None
        assert empty((2, 2), np.float32).nbytes < LEAST
        assert empty((2, 2), np.float32).base is None
    assert empty((64, 64), np.float32).base is None
