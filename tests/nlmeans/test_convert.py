"""Strengths of other programs: there and back, refusals, and the same filter as theirs on one picture."""

import inspect
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from skimage import data, restoration

import nlmeans
from nlmeans import convert

SIGMA = 25.0
CLEAN = data.camera()[100:228, 120:264]
NOISY = CLEAN + np.random.default_rng(0).normal(0, SIGMA, CLEAN.shape)
BYTES = np.clip(np.rint(NOISY), 0, 255).astype(np.uint8)
POSITIVE = st.floats(1e-6, 1e6)
SIZES = st.integers(2, 99)
PAIRS = {
    "skimage": dict(patch_size=SIZES, fast_mode=st.booleans(), ndim=st.integers(2, 4), sigma=POSITIVE),
    "opencv": dict(sigma=POSITIVE),
    "ffmpeg": dict(sigma=POSITIVE, p=SIZES),
    "knlmeanscl": dict(sigma=POSITIVE),
    "ipol": {},
}
REQUIRED = {"ipol": dict(patch=5, search=21)}


def functions(program):
    return getattr(convert, f"from_{program}"), getattr(convert, f"to_{program}")


@pytest.mark.parametrize("program", PAIRS)
@given(data=st.data(), number=POSITIVE)
def test_there_and_back_is_the_same_number(program, data, number):
    there, back = functions(program)
    options = {name: data.draw(values, name) for name, values in PAIRS[program].items()}
    required = REQUIRED.get(program, {})
    strength = there(number, **options, **required)["strength"]
    assert back(strength, **options) == pytest.approx(number, rel=1e-12)
    assert there(back(number, **options), **options, **required)["strength"] == pytest.approx(number, rel=1e-12)


def test_every_program_has_two_functions_that_share_names():
    assert {name.partition("_")[2] for name in convert.__all__} == set(PAIRS)
    for program in PAIRS:
        first, second = (inspect.signature(function).parameters for function in functions(program))
        assert set(second) - {"strength"} == set(PAIRS[program]) <= set(first)


def test_units_cancel():
    levels, fractions = (convert.from_opencv(0.8 * sigma, sigma=sigma) for sigma in (25, 25 / 255))
    assert levels == pytest.approx(fractions)


@pytest.mark.parametrize("program", PAIRS)
def test_arguments_leave_nothing_to_the_image(program):
    given = {**({"sigma": SIGMA} if "sigma" in PAIRS[program] else {}), **REQUIRED.get(program, {})}
    options = functions(program)[0](0.4 * SIGMA, **given)
    frames = program == "knlmeanscl"
    image = np.stack([NOISY[:40, :50]] * 2) if frames else NOISY[:40, :50]
    axes = "TYX" if frames else "YX"
    plans = [
        nlmeans.plan(image * scale, SIGMA, axes=axes, quality=quality, **options)
        for scale in (0.1, 1)
        for quality in ("fast", "best")
    ]
    assert len({(plan.passes, plan.bias, plan.centre) for plan in plans}) == 1
    assert plans[0].strength == pytest.approx(options["strength"])


def test_sizes_are_widths_or_radii_as_the_programs_have_them():
    def radii(options):
        return options["patch_radius"], options["search_radius"]

    assert radii(convert.from_skimage(sigma=1)) == (3, 11)
    assert radii(convert.from_skimage(sigma=1, fast_mode=False)) == (2, 11)
    assert radii(convert.from_opencv(sigma=1)) == (3, 10)
    assert radii(convert.from_ffmpeg(sigma=1)) == (3, 7)
    assert radii(convert.from_knlmeanscl(sigma=1)) == ((0, 4, 4), (1, 2, 2))
    assert radii(convert.from_knlmeanscl(sigma=1, d=0)) == (4, 2)
    assert radii(convert.from_ipol(0.4, patch=5, search=21)) == (2, 10)
    assert convert.from_ffmpeg(3, sigma=9, p=6, r=14) == convert.from_ffmpeg(3, sigma=9, p=7, r=15)
    assert convert.to_skimage(0.5, sigma=9, patch_size=6) == convert.to_skimage(0.5, sigma=9, patch_size=7)


@pytest.mark.parametrize("program", PAIRS)
@pytest.mark.parametrize("value", [0, -1.5, float("nan"), float("inf")])
def test_numbers_that_are_not_above_0_are_refused(program, value):
    there, back = functions(program)
    good = {"sigma": SIGMA} if "sigma" in PAIRS[program] else {}
    for function, required in ((there, REQUIRED.get(program, {})), (back, {})):
        with pytest.raises(ValueError, match=r"must be (above 0|finite); got"):
            function(value, **good, **required)
        if good:
            with pytest.raises(ValueError, match=r"sigma must be (above 0|finite); got"):
                function(1, sigma=value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: convert.from_opencv("9", sigma=1), TypeError, "h must be a number; got '9'"),
        (lambda: convert.from_opencv(9, sigma=[1, 2, 3]), TypeError, r"sigma must be a number; got \[1, 2, 3\]"),
        (lambda: convert.to_opencv(True, sigma=1), TypeError, "strength must be a number; got True"),
        (
            lambda: convert.from_opencv(9, sigma=1, templateWindowSize=0),
            ValueError,
            "templateWindowSize must be a whole number of at least 1; got 0",
        ),
        (lambda: convert.from_opencv(9, sigma=1, searchWindowSize=2.5), TypeError, "searchWindowSize must be a whole"),
        (
            lambda: convert.to_skimage(1, sigma=1, patch_size=1),
            ValueError,
            "patch_size must be a whole number of at least 2; got 1",
        ),
        (lambda: convert.from_skimage(1, sigma=1, fast_mode="no"), TypeError, "fast_mode must be True or False"),
        (lambda: convert.from_skimage(1, sigma=1, patch_distance=-1), ValueError, "patch_distance .* got -1"),
        (
            lambda: convert.to_skimage(1, sigma=1, ndim=1),
            ValueError,
            "ndim must be a whole number of at least 2; got 1",
        ),
        (lambda: convert.from_ffmpeg(1, sigma=1, p=-1), ValueError, "p must be a whole number of at least 0; got -1"),
        (lambda: convert.from_knlmeanscl(1, sigma=1, d=-1), ValueError, "d must be a whole number of at least 0"),
        (lambda: convert.from_knlmeanscl(1, sigma=1, wref=0.5), ValueError, "wref must be 1 or 0: .*; got 0.5"),
        (lambda: convert.from_ipol(0.4, patch=0, search=21), ValueError, "patch must be .* at least 1; got 0"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def differences(ref, image, options):
    """Return how far, in the mean, we are from a result: with strength 20 % too low, as converted, 20 % too high."""
    results = (
        nlmeans.denoise(image, SIGMA, **{**options, "strength": options["strength"] * factor})
        for factor in (0.8, 1, 1.2)
    )
    return [float(np.abs(result.astype(float) - ref).mean()) for result in results]


def assert_same_filter(ref, image, options, most):
    low, found, high = differences(np.asarray(ref, float), image, options)
    assert found < most
    assert found < min(low, high)


@pytest.mark.parametrize(
    ("h", "options", "most"),
    [
        (15, dict(), 1.6),
        (20, dict(patch_size=5, patch_distance=8), 1.7),
        (20, dict(bias=False), 1.4),
        (20, dict(fast_mode=False, bias=False, patch_distance=6), 2.2),
        (25, dict(fast_mode=False, bias=False, patch_distance=6, patch_size=8), 2.2),
    ],
)
def test_the_filter_is_that_of_scikit_image(h, options, most):
    own = {name: value for name, value in options.items() if name != "bias"}
    ref = restoration.denoise_nl_means(NOISY, h=h, sigma=SIGMA if options.get("bias", True) else 0.0, **own)
    assert_same_filter(ref, NOISY, convert.from_skimage(h, sigma=SIGMA, **options), most)


@pytest.mark.parametrize("patch_size", [3, 5])
def test_scikit_images_factor_goes_with_the_dimensions(patch_size):
    """Of stripes one pixel wide, patches of any shape differ alike: what is left of the stripes shows the weight."""
    stripes = np.broadcast_to(np.arange(24) % 2 * 100.0, (16, 20, 24)).copy()
    inside = (slice(5, -5),) * 3
    sizes = dict(patch_size=patch_size, patch_distance=3)
    ref = restoration.denoise_nl_means(stripes, h=80, **sizes)[inside]
    found = {
        ndim: nlmeans.denoise(stripes, SIGMA, **convert.from_skimage(80, sigma=SIGMA, bias=False, ndim=ndim, **sizes))
        for ndim in (2, 3)
    }
    apart = {ndim: float(np.abs(comp[inside] - ref).max()) for ndim, comp in found.items()}
    assert apart[3] < 1.2 < 2 < apart[2], apart


@pytest.mark.parametrize(
    ("h", "options", "most"),
    [(20, {}, 0.4), (15, {}, 0.55), (25, dict(templateWindowSize=5, searchWindowSize=14), 0.25)],
)
def test_the_filter_is_that_of_opencv(h, options, most):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'nlmeans[test]'")
    ref = cv2.fastNlMeansDenoising(BYTES, None, h, **options)
    assert_same_filter(ref, BYTES, convert.from_opencv(h, sigma=SIGMA, **options), most)


def ffmpeg():
    """Return FFmpeg's executable; a visible skip without one."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    package = pytest.importorskip("imageio_ffmpeg", reason="FFmpeg is not installed")
    return package.get_ffmpeg_exe()


@pytest.mark.parametrize(("s", "options", "most"), [(14, {}, 0.5), (10, dict(p=5, r=11), 0.35), (18, dict(p=9), 0.6)])
def test_the_filter_is_that_of_ffmpeg(s, options, most):
    height, width = BYTES.shape
    raw = ["-f", "rawvideo", "-pix_fmt", "gray"]
    values = ":".join(f"{name}={value}" for name, value in {"s": s, **options}.items())
    command = [ffmpeg(), "-v", "error", *raw, "-s", f"{width}x{height}", "-i", "-"]
    command += ["-vf", f"format=gray,nlmeans={values}", *raw, "-"]
    done = subprocess.run(command, input=BYTES.tobytes(), stdout=subprocess.PIPE, check=True)
    ref = np.frombuffer(done.stdout, np.uint8).reshape(BYTES.shape)
    assert_same_filter(ref, BYTES, convert.from_ffmpeg(s, sigma=SIGMA, **options), most)


def shifted(image, patch, search):
    """Yield, for each displacement but 0, the window's pixels, mean squared differences of patches, and what exists."""
    beyond = np.pad(image, search + patch, mode="symmetric")
    there = np.pad(np.ones(image.shape), search + patch)
    height, width = (n + 2 * patch for n in image.shape)
    own = beyond[search : search + height, search : search + width]
    for dy, dx in np.ndindex(2 * search + 1, 2 * search + 1):
        if (dy, dx) == (search, search):
            continue
        rows, columns = slice(dy, dy + height), slice(dx, dx + width)
        square = sliding_window_view((own - beyond[rows, columns]) ** 2, (2 * patch + 1,) * 2).mean(axis=(-2, -1))
        yield beyond[rows, columns], square, sliding_window_view(there[rows, columns], (2 * patch + 1,) * 2)


@pytest.mark.parametrize("wref", [1.0, 0.0])
def test_the_filter_is_that_of_knlmeanscls_formula(wref):
    """Levels of 255 are for images of any depth: here one of 10 bits."""
    h, a, s = 22.0, 4, 2
    image = NOISY[:40, :50] * (1023 / 255)
    total = weight = largest = np.zeros(image.shape)
    for window, square, there in shifted(image, s, a):
        each = np.exp(-square / 1023**2 * 255**2 / h**2) * there[..., s, s]
        total, weight = total + each * window[s:-s, s:-s], weight + each
        largest = np.maximum(largest, each)
    ref = (total + wref * largest * image) / (weight + wref * largest)
    options = convert.from_knlmeanscl(h, sigma=SIGMA, d=0, a=a, s=s, wref=wref)
    inside = (slice(a + s, -a - s),) * 2
    comp = nlmeans.denoise(image, SIGMA * 1023 / 255, **options)
    like = largest[inside] > 0.05  # where nothing is like a pixel, ours keeps it
    assert like.mean() > 0.8
    np.testing.assert_allclose(comp[inside][like], ref[inside][like], atol=6)


def test_the_filter_is_that_of_the_articles_formula():
    """Each patch is averaged with the weights of its centre, and a pixel is the mean of the patches that hold it."""
    k, patch, search = 0.4, 2, 4
    image = NOISY[:40, :50]
    total, weight, largest = 0.0, 0.0, 0.0
    for window, square, there in shifted(image, patch, search):
        each = np.exp(-np.maximum(square - 2 * SIGMA**2, 0) / (k * SIGMA) ** 2) * there[..., patch, patch]
        total = total + each[..., None, None] * sliding_window_view(window, (2 * patch + 1,) * 2)
        weight, largest = weight + each, np.maximum(largest, each)
    own = sliding_window_view(np.pad(image, patch, mode="symmetric"), (2 * patch + 1,) * 2)
    patches = (total + largest[..., None, None] * own) / (weight + largest)[..., None, None]
    ref = np.zeros(np.add(image.shape, 2 * patch))
    for dy, dx in np.ndindex(2 * patch + 1, 2 * patch + 1):
        ref[dy : dy + 40, dx : dx + 50] += patches[..., dy, dx] / (2 * patch + 1) ** 2
    comp = nlmeans.denoise(image, SIGMA, **convert.from_ipol(k, patch=2 * patch + 1, search=2 * search + 1))
    inside = (slice(2 * patch + search, -2 * patch - search),) * 2
    apart = np.abs(comp[inside] - ref[patch:-patch, patch:-patch][inside])
    assert np.median(apart) < 0.05  # patches that nothing is like keep their pixels
