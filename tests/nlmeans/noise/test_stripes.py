"""Stripes: an oracle in plain loops, what they must not be taken for, and one answer by every way."""

import numpy as np
import pytest

import nlmeans
from nlmeans import large, tiled
from nlmeans.extend import Options, Sample
from nlmeans.noise import stripes
from nlmeans.pixels import crops

Y, X = np.mgrid[:144, :120]
TRUTH = 100 + 30 * np.sin(X / 15 + Y / 9) + 30 * ((X // 40 + Y // 31) % 2)
OFFSETS = np.random.default_rng(5).normal(0, 6, 120)
OFFSETS -= OFFSETS.mean()
QUICK = {"quality": "preview", "search_radius": 2}


def striped(sigma=6, dtype="f4"):
    noisy = TRUTH + OFFSETS + np.random.default_rng(1).normal(0, sigma, TRUTH.shape)
    return noisy.astype(dtype)


def mean_slowly(values):
    """The mean of a line's pieces, by the line."""
    spread = 2 * 1.4826 * np.median(np.abs(values - np.median(values, axis=0)))
    means = []
    for line in values.T:
        mean = np.median(line)
        for _ in range(4 if spread > 0 else 0):
            weights = [1 / (1 + ((value - mean) / spread) ** 2) ** 2 for value in line]
            mean = sum(w * v for w, v in zip(weights, line, strict=True)) / sum(weights)
        means.append(mean)
    return np.array(means)


def parts_slowly(values):
    return [mean_slowly(part) for part in np.array_split(values, 4)]


def shared_slowly(parts):
    bound = 4 * 1.4826 * np.median(np.abs(parts))
    clip = [np.minimum(np.maximum(part, -bound), bound) for part in parts]
    products = [np.mean(clip[a] * clip[b]) for a in range(4) for b in range(a)]
    alike = [np.mean(clip[a] * clip[b]) / np.sqrt(np.mean(clip[a] ** 2) * np.mean(clip[b] ** 2))
             for a in range(4) for b in range(a)]  # fmt: skip
    return min(alike), min(products), bound


def offsets_slowly(plane):
    """What the columns of a plane without missing pixels are too bright by, by loops over pieces and lines."""
    height, width = plane.shape
    count = min(height // 16, 64)
    side = min(height // count, 64)
    table = np.empty((count, width))
    for k in range(count):
        first = round((k + 0.5) * height / count - side / 2)
        for x in range(width):
            table[k, x] = sum(plane[y, x] for y in range(first, first + side)) / side
    half = width // 2
    table -= np.median([row[x + half] - row[x] for row in table for x in range(width - half)]) / half * np.arange(width)
    total, power, before, alike_at = np.zeros(width), 0.0, None, []
    for around in (5, 9, 17, 33, 65):
        if before is not None and 2 * around > width:
            break
        apart = np.empty_like(table)
        for k, row in enumerate(table - total):
            mirror = np.pad(row, around // 2, mode="symmetric")
            for x in range(width):
                apart[k, x] = row[x] - np.median(mirror[x : x + around])
        found = mean_slowly(apart)
        alike, real, bound = shared_slowly([part[4:-4] for part in parts_slowly(apart)])
        alike_at.append(alike)
        if around == 5:
            continue
        if before is None and alike_at[0] <= 0.25 and alike_at[1] <= 0.4:
            return None
        real = max(real, 0)
        if before is not None:
            real = min(real, 6 * power / before)
        total = total + min(real / np.mean(np.clip(found[4:-4], -bound, bound) ** 2), 1) * (found - found.mean())
        power, before = power + real, around
    return total - total.mean()


def test_offsets_are_those_of_plain_loops():
    plane = striped()
    ref, comp = offsets_slowly(plane.astype(float)), stripes.offsets_of(stripes.table_of(plane))
    np.testing.assert_allclose(comp, ref, atol=1e-6)
    assert offsets_slowly(TRUTH + np.random.default_rng(0).normal(0, 6, TRUTH.shape)) is None


def test_offsets_are_found():
    found = stripes.offsets_of(stripes.table_of(striped()))
    assert np.std(found - OFFSETS) < 0.5 * OFFSETS.std()
    assert abs(found.sum()) < 1e-9


@pytest.mark.parametrize("added", [50.0, 0.7 * X, -0.3 * Y, 0.5 * X + 0.2 * Y])
def test_what_changes_slowly_is_content(added):
    plane = striped().astype(float)
    ref, comp = (stripes.offsets_of(stripes.table_of(image)) for image in (plane, plane + added))
    assert np.abs(comp - ref).max() < 0.1


@pytest.mark.parametrize(
    "lines", [np.linspace(0, 200, 120), 50 * np.sin(np.arange(120) / 5), np.arange(120) // 60 * 80]
)
def test_content_is_no_stripe(lines):
    noisy = TRUTH + lines + np.random.default_rng(2).normal(0, 5, TRUTH.shape)
    for plane in (noisy, noisy.T, TRUTH, TRUTH.T, np.full((80, 90), 7.0), np.full((80, 90), np.nan)):
        assert stripes.offsets_of(stripes.table_of(plane)) is None


def test_a_single_line_is_found_and_a_blurred_one_is_not():
    plain = TRUTH + np.random.default_rng(3).normal(0, 3, TRUTH.shape)
    single, bar = plain.copy(), plain.copy()
    single[:, 50] += 60
    bar[:, 49:52] += (40, 60, 40)
    found = stripes.offsets_of(stripes.table_of(single))
    assert abs(found[50] - found[49] - 60) < 6
    assert len(set(np.delete(found, 50))) == 1
    assert stripes.offsets_of(stripes.table_of(bar)) is None


def test_missing_pixels_and_dead_rows_have_no_say():
    plane, broken = striped(), striped()
    broken[30:34], broken[:, 70], broken[60:70, 20:30] = np.nan, np.nan, np.nan
    ref, comp = (stripes.offsets_of(stripes.table_of(image)) for image in (plane, broken))
    assert abs(comp[70]) < 1
    others = np.delete(comp - ref, range(65, 76))
    assert np.std(others) < 1.0


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_stripes_are_removed_before_the_noise_is_fitted(dtype):
    noisy = striped(dtype=dtype)
    kept = nlmeans.denoise(noisy, **QUICK)
    clean, report = nlmeans.denoise(noisy, stripes="auto", full_output=True, **QUICK)
    assert np.square(clean - TRUTH).mean() < 0.6 * np.square(kept - TRUTH).mean()
    assert abs(report.sigma[0] - 6) < 0.7
    assert abs(clean.mean() - kept.mean()) < 0.2
    assert "columns by" in report.plan.stripes
    assert ("stripes", report.plan.stripes) in report.rows()
    assert not [note for note in report.notes if "differ as a whole" in note]
    assert clean.dtype == noisy.dtype


def test_an_axis_is_the_one_that_stripes_run_along():
    noisy = striped()
    columns = nlmeans.denoise(noisy, stripes="y", **QUICK)
    assert np.array_equal(columns, nlmeans.denoise(noisy, stripes="auto", **QUICK))
    np.testing.assert_allclose(nlmeans.denoise(noisy.T.copy(), stripes="x", **QUICK).T, columns, atol=0.02)
    rows, report = nlmeans.denoise(noisy, stripes="x", full_output=True, **QUICK)
    assert np.array_equal(rows, nlmeans.denoise(noisy, **QUICK))
    assert report.plan.stripes == "none"


def test_rows_and_columns_are_removed_together():
    noisy = striped() + np.random.default_rng(8).normal(0, 6, (144, 1)).astype("f4")
    result, report = nlmeans.denoise(noisy, stripes="auto", full_output=True, **QUICK)
    assert np.square(result - TRUTH).mean() < 0.5 * np.square(nlmeans.denoise(noisy, **QUICK) - TRUTH).mean()
    assert "columns by" in report.plan.stripes
    assert "rows by" in report.plan.stripes


def test_a_picture_without_stripes_is_as_without_the_option():
    noisy = (TRUTH + np.random.default_rng(4).normal(0, 6, TRUTH.shape)).astype("f4")
    for image in (noisy, noisy[:12], noisy[:, :9]):
        assert np.array_equal(nlmeans.denoise(image, 6, stripes="auto", **QUICK), nlmeans.denoise(image, 6, **QUICK))


def test_without_noise_stripes_alone_are_removed():
    noisy = striped()
    result = nlmeans.denoise(noisy, 0, stripes="y")
    change = noisy - result
    assert np.abs(change - change[:1]).max() < 1e-4
    assert np.std(change[0] - OFFSETS) < 0.5 * OFFSETS.std()
    assert np.array_equal(nlmeans.denoise(noisy, 0), noisy)


def test_clipped_pixels_and_padding_stay():
    noisy = np.clip(striped(), 1, 254).astype("u1")
    noisy[:20, :30] = 255
    noisy[110:, 90:] = 0
    result, report = nlmeans.denoise(noisy, 0, stripes="y", full_output=True)
    assert report.plan.stripes != "none"
    assert (result[:20, :30] == 255).all()
    assert (result[110:, 90:] == 0).all()


def test_frames_share_stripes_and_slices_have_their_own():
    rng = np.random.default_rng(9)
    still = TRUTH + rng.normal(0, 6, (6, *TRUTH.shape))
    own = rng.normal(0, 6, (6, 1, 120))
    for offsets, axes in ((OFFSETS, "TYX"), (own, "ZYX")):
        noisy = (still + offsets).astype("f4")
        removed = noisy - nlmeans.denoise(noisy, 0, stripes="y", axes=axes)
        lines = removed.mean(axis=1)
        assert np.std(lines - np.reshape(offsets, (-1, 120))) < 3.5
        assert (np.ptp(lines, axis=0).max() < 1e-3) == (axes == "TYX")


def test_channels_and_separate_images_have_their_own():
    rng = np.random.default_rng(10)
    offsets = rng.normal(0, 6, (2, 1, 120))
    noisy = (TRUTH + rng.normal(0, 6, (2, 144, 120)) + offsets).astype("f4")
    for axes in ("CYX", "NYX"):
        removed = noisy - nlmeans.denoise(noisy, 0, stripes="auto", axes=axes)
        assert np.std(removed.mean(axis=1) - offsets[:, 0]) < 3.5
        for k in range(2):
            alone = noisy[k] - nlmeans.denoise(noisy[k], 0, stripes="auto")
            assert np.abs(removed[k] - alone).max() < 1e-4


def test_every_way_gives_the_same(tmp_path):
    noisy = striped()
    ref = nlmeans.denoise(noisy, stripes="auto", **QUICK)
    assert np.array_equal(nlmeans.Denoiser(stripes="auto", **QUICK)(noisy), ref)
    np.save(tmp_path / "noisy.npy", noisy)
    large.denoise(tmp_path / "noisy.npy", tmp_path / "clean.npy", stripes="auto", **QUICK)
    np.testing.assert_allclose(np.load(tmp_path / "clean.npy"), ref, atol=1e-3)
    da = pytest.importorskip("dask.array")
    lazy = tiled.denoise(da.from_array(noisy, chunks=40), stripes="auto", block=2000, **QUICK).compute()
    np.testing.assert_allclose(lazy, ref, atol=1e-3)


def test_crops_of_a_large_image_are_without_the_stripes_of_the_whole(monkeypatch):
    monkeypatch.setattr(crops, "PIXELS", 600)
    source, sides = striped()[None, None], (1, 144, 120)
    tiles = crops.crops(sides)
    stacked = crops.cut(source[None], tiles)
    assert stacked.shape[1] > 1
    options = Options.check(stacked[0], sigma=6, axes="ZYX", stripes="y")
    look = lambda wanted: [(tile.of(source), None) for tile in wanted]  # noqa: E731
    sample = Sample.of(stacked, options, 0, sides, look)
    whole = source - stripes.offsets_of(stripes.table_of(source[0, 0]))
    np.testing.assert_allclose(sample.pixels.planes, crops.cut(whole[None], tiles), atol=1e-4)


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match="stripes must be 'auto', 'x' or 'y'; got 'z'"):
        nlmeans.denoise(TRUTH, 5, stripes="z")


@pytest.mark.parametrize("side", [160, 400])
def test_padding_hides_no_stripes(side):
    rng = np.random.default_rng(0)
    picture = rng.normal(100, 10, (128, 128)) + rng.normal(0, 10, 128)
    padded = np.zeros((side, side))
    padded[:128, :128] = picture
    clean = nlmeans.denoise(padded, 10, padding=True, quality="fast", stripes="auto", threads=1)
    assert clean[:128, :128].mean(axis=0).std() < 3
    assert (clean[128:] == 0).all()
    assert (clean[:, 128:] == 0).all()
