"""denoise(): dtypes, axes, parameters, reports, and every argument that it must refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlmeans
from nlmeans._checks import DTYPES
from nlmeans.pairwise import naive

RNG = np.random.default_rng(0)
NOISY = (RNG.normal(0, 10, (40, 50)) + 100 + 50 * (np.arange(50) > 25)).astype(np.float32)
COLOUR = np.stack([NOISY, NOISY[::-1], NOISY * 0.5], axis=-1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_shape_are_kept(dtype):
    kind = np.dtype(dtype)
    image = np.clip(NOISY, 0, 120).astype(kind) if kind.itemsize == 1 else NOISY.astype(kind)
    result = nlmeans.denoise(image, sigma=10)
    assert result.dtype == kind
    assert result.shape == image.shape
    ref = nlmeans.denoise(image.astype(np.float64), sigma=10)
    if kind.kind != "f":
        assert np.abs(result - ref).max() <= 0.5 + 0.5
    else:
        np.testing.assert_allclose(
            result, ref, rtol=2e-3 if dtype == "float16" else 1e-5 if dtype == "float64" else 1e-3
        )


def test_integers_are_rounded_and_clipped():
    image = np.full((30, 30), 254, np.uint8)
    image[::2, ::2] = 255
    result = nlmeans.denoise(image, sigma=1, strength=5)
    assert result.min() == result.max() == 254


@pytest.mark.parametrize("order", [">f4", ">u2"])
def test_foreign_byte_order(order):
    image = NOISY.astype(order)
    result = nlmeans.denoise(image, sigma=10)
    assert result.dtype == image.dtype
    np.testing.assert_array_equal(result, nlmeans.denoise(image.astype(image.dtype.newbyteorder("=")), sigma=10))


@given(
    st.sampled_from([(slice(None), slice(None, None, -1)), (slice(None, None, 2), slice(1, None, 3)), (slice(5, 9),)])
)
def test_any_strides_and_read_only(cut):
    image = NOISY[cut]
    image.flags.writeable = False
    np.testing.assert_array_equal(nlmeans.denoise(image, 10), nlmeans.denoise(image.copy(), 10))


def test_input_is_never_written():
    image = NOISY.copy()
    nlmeans.denoise(image, 10)
    np.testing.assert_array_equal(image, NOISY)


def test_equals_the_definition():
    given = dict(channel_axis=-1, patch_radius=1, search_radius=(3, 2), strength=0.7, quality="fast")
    colour = COLOUR + np.random.default_rng(1).normal(0, 10, COLOUR.shape)  # noise that its channels do not share
    plan = nlmeans.plan(colour, [10, 10, 5], **given)
    result = nlmeans.denoise(colour, [10, 10, 5], **given)
    values = colour.transpose(2, 0, 1)[:, None]
    features = values / np.array([10, 10, 5]).reshape(3, 1, 1, 1)
    ref = naive.pairwise_average(features, features, values, plan.spec)[:, 0].transpose(1, 2, 0)
    np.testing.assert_allclose(result, ref, rtol=1e-4)
    assert plan.spec.patch_radius == (0, 1, 1)
    assert plan.spec.search_radius == (0, 3, 2)
    assert plan.spec.bias == 2 * 27
    assert plan.spec.scale == pytest.approx(1 / (0.49 * 27))


@pytest.mark.parametrize("axes", ["YXC", "YCX", "CYX", "yxc"])
def test_axes_name_the_same_picture(axes):
    order = ["YXC".index(axis) for axis in axes.upper()]
    back = np.argsort(order)
    ref = nlmeans.denoise(COLOUR, 10, channel_axis=2)
    comp = nlmeans.denoise(COLOUR.transpose(order), 10, axes=axes)
    np.testing.assert_array_equal(ref, comp.transpose(back))


def test_separate_images_do_not_see_each_other():
    stack = np.stack([NOISY, NOISY[::-1] * 3])
    result, report = nlmeans.denoise(stack, axes="NYX", full_output=True)
    for k in range(2):
        np.testing.assert_array_equal(result[k], nlmeans.denoise(stack[k]))
    assert len(report.plans) == 2
    assert report.plans[1].sigma[0] == pytest.approx(3 * report.plans[0].sigma[0], rel=0.02)
    assert "2 (above" in str(report)


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
def test_volumes_and_video(axes):
    volume = RNG.normal(50, 5, (6, 20, 22)).astype(np.float32)
    plan = nlmeans.plan(volume, 5, axes=axes)
    assert plan.patch_radius[0] == (0 if axes == "TYX" else plan.patch_radius[1])
    result = nlmeans.denoise(volume, 5, axes=axes)
    assert result.std() < 0.5 * volume.std()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (3, 200)])
def test_images_smaller_than_the_patch(shape):
    image = RNG.normal(100, 5, shape).astype(np.float32)
    result = nlmeans.denoise(image, sigma=5, patch_radius=4, search_radius=6)
    assert np.isfinite(result).all()
    assert result.shape == shape


def test_scale_and_offset_carry_through():
    ref = nlmeans.denoise(NOISY, 10)
    np.testing.assert_allclose(nlmeans.denoise(NOISY / 255, 10 / 255) * 255, ref, rtol=1e-4)
    np.testing.assert_allclose(nlmeans.denoise(NOISY - 1000, 10) + 1000, ref, rtol=1e-4)


def test_sigma_zero_returns_a_copy():
    result = nlmeans.denoise(NOISY, sigma=0)
    np.testing.assert_array_equal(result, NOISY)
    assert not np.shares_memory(result, NOISY)
    mixed = nlmeans.denoise(COLOUR, [10, 0, 10], channel_axis=-1)
    np.testing.assert_array_equal(mixed[..., 1], COLOUR[..., 1])
    assert not np.array_equal(mixed[..., 0], COLOUR[..., 0])


def test_a_constant_image_stays():
    for sigma in (None, 3):
        np.testing.assert_array_equal(nlmeans.denoise(np.full((20, 20), 7, np.uint8), sigma), 7)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_out(dtype):
    image = NOISY.astype(dtype)
    for out in (np.zeros_like(image), np.zeros((50, 40), dtype).T):
        assert nlmeans.denoise(image, 10, out=out) is out
        np.testing.assert_array_equal(out, nlmeans.denoise(image, 10))


def test_threads_do_not_change_the_result():
    image = np.tile(NOISY, (5, 3))
    ref = nlmeans.denoise(image, 10, threads=1)
    for threads in (2, 3, 8):
        np.testing.assert_array_equal(ref, nlmeans.denoise(image, 10, threads=threads))


def test_progress_function_and_bar(capsys):
    seen = []
    stack = np.tile(NOISY, (2, 8, 2))
    nlmeans.denoise(stack, 10, axes="NYX", progress=lambda *a: seen.append(a))
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    nlmeans.denoise(NOISY, 10, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "denoising" in captured.err


def test_it_prints_nothing(capsys):
    nlmeans.denoise(NOISY, 10)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_reports_and_plans_print_as_tables():
    result, report = nlmeans.denoise(NOISY, full_output=True, threads=1)
    assert report.plan == nlmeans.plan(NOISY)
    assert report.plan.estimated
    assert report.threads == 1
    assert report.seconds > 0
    assert result.shape == NOISY.shape
    text = str(report)
    for word in ("sigma", "patch", "search window", "strength", "defaults version", "seconds"):
        assert word in text
    assert "given" in str(nlmeans.plan(NOISY, 10))


def test_explicit_parameters_are_respected():
    plan = nlmeans.plan(NOISY, 10, patch_radius=0, search_radius=(1, 0), strength=2, bias=False, centre="one")
    assert (plan.patch_radius, plan.search_radius, plan.strength) == ((0, 0), (1, 0), 2)
    assert (plan.bias, plan.centre, plan.spec.bias) == (False, "one", 0)


def test_a_radius_beyond_the_image_is_capped_in_the_work():
    image = NOISY[:9, :8]
    np.testing.assert_array_equal(
        nlmeans.denoise(image, 10, search_radius=8), nlmeans.denoise(image, 10, search_radius=10**6)
    )


BAD = [
    (dict(image=np.zeros(5)), "at least 2 dimensions"),
    (dict(image=np.float32(3)), "at least 2 dimensions"),
    (dict(image=np.zeros((0, 5))), "must have pixels"),
    (dict(image=NOISY.astype(complex)), "complex128"),
    (dict(image=NOISY > 0), "mask is not an image"),
    (dict(image=NOISY.astype(object)), "object"),
    (dict(image=np.array([["a", "b"]])), "<U1"),
    (dict(image=np.zeros((3, 3), [("r", "f4")])), "dtype"),
    (dict(image=NOISY.astype(np.int64)), "int32"),
    (dict(image=NOISY.astype(np.longdouble)), "float64"),
    (dict(image=COLOUR), "channel_axis=-1"),
    (dict(image=np.zeros((9, 9, 4))), "axes='ZYX'"),
    (dict(image=np.zeros((3, 9, 9))), "channel_axis=0"),
    (dict(image=np.zeros((9, 9, 9, 9))), "names for its axes"),
    (dict(channel_axis=2), "channel_axis must be one of"),
    (dict(channel_axis=0), "at least 3 dimensions"),
    (dict(image=COLOUR, channel_axis=1.5), "whole number"),
    (dict(image=COLOUR, channel_axis=True), "whole number"),
    (dict(image=COLOUR, channel_axis=2, axes="YXC"), "not both"),
    (dict(axes="YXC"), "each of the image's 2 dimensions"),
    (dict(axes="YQ"), "Q"),
    (dict(axes="YY"), "once"),
    (dict(axes="ZC"), "hold Y and X"),
    (dict(axes=3), "string"),
    (dict(image=np.zeros((2, 2, 5, 9, 9)), axes="NTZYX"), "two of N, T and Z; got 'NTZYX'"),
    (dict(sigma=-1), "at least 0; got -1"),
    (dict(sigma=np.nan), "finite"),
    (dict(sigma=np.inf), "finite"),
    (dict(sigma="10"), "number"),
    (dict(sigma=True), "number"),
    (dict(sigma=[1, 2]), "must be one number; got 2"),
    (dict(image=NOISY / 255, sigma=25), "image's units"),
    (dict(patch_radius=-1), "at least 0"),
    (dict(patch_radius=1.5), "whole number"),
    (dict(search_radius="10"), "whole number"),
    (dict(search_radius=(1, 2, 3)), "each of the axes Y, X"),
    (dict(strength=0), "1e-06 to 1e+06"),
    (dict(strength=np.nan), "finite"),
    (dict(bias=1), "True or False"),
    (dict(centre="middle"), "'max', 'one' or 'zero'"),
    (dict(threads=0), "at least 1"),
    (dict(threads=1.0), "whole number"),
    (dict(progress="yes"), "function"),
    (dict(out=np.zeros((3, 3), np.float32)), "shape (40, 50)"),
    (dict(out=np.zeros((40, 50))), "float32"),
    (dict(out=[1]), "out must be"),
    (dict(out=NOISY), "share memory"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_arguments_state_rule_and_value(arguments, words):
    arguments = {"image": NOISY, **arguments}
    with pytest.raises((TypeError, ValueError)) as caught:
        nlmeans.denoise(**arguments)
    assert words in str(caught.value)
