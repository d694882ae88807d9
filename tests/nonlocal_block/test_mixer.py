"""The mixer: two results of one image become one, in every way in, and it learns where each is better."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("safetensors", reason="the extra `learned` is not installed")

import networks  # noqa: E402

import nlmeans  # noqa: E402
from nlmeans.extend import Method, Outcome, Plan  # noqa: E402
from nlmeans.noise import Gaussian, PoissonGaussian, Rician  # noqa: E402
from nonlocal_block import method  # noqa: E402
from nonlocal_block.mixer import Mixer  # noqa: E402

GREY = networks.noisy((70, 90))
COLOUR = np.stack([GREY, 2 * GREY[::-1], 40 + GREY[:, ::-1]])
HOLES = np.random.default_rng(1).random(GREY.shape) > 0.05


class Other(Mixer):
    """Takes the second result everywhere."""

    def forward(self, x, sigma, one, other):
        return other


class One(Mixer):
    """Takes the first result everywhere."""

    def forward(self, x, sigma, one, other):
        return one


def images(count=2, channels=3, sides=(37, 50)):
    generator = torch.Generator().manual_seed(3)
    x, one, other = torch.rand(3, count, channels, *sides, generator=generator)
    return x, 0.4 + 0.2 * one, 0.4 + 0.2 * other


@pytest.fixture
def mixer():
    return networks.lively_mixer()


@torch.no_grad()
def test_a_mix_lies_between(mixer):
    x, one, other = images()
    found = mixer(x, 0.1, one, other)
    share = (found - one) / (other - one)
    clear = (other - one).abs() > 0.01
    assert found.shape == x.shape
    assert 0 <= share[clear].min() < 0.1 < share[clear].max() <= 1
    torch.testing.assert_close(mixer(x, 0.1, one, one), one)
    torch.testing.assert_close(Mixer()(x, 0.1, one, other), one + 0.15 * (other - one), rtol=0, atol=0.01)


@torch.no_grad()
def test_channels_are_mixed_by_themselves(mixer):
    x, one, other = images()
    found = mixer(x, 0.1, one, other)
    for c in range(3):
        torch.testing.assert_close(found[:, [c]], mixer(x[:, [c]], 0.1, one[:, [c]], other[:, [c]]))
    level = torch.tensor([0.1, 0.3])
    each = [mixer(x[[k]], float(s), one[[k]], other[[k]]) for k, s in enumerate(level)]
    torch.testing.assert_close(mixer(x, level, one, other), torch.cat(each))
    torch.testing.assert_close(mixer(x, level.view(2, 1, 1, 1).expand(2, 1, 37, 50), one, other), torch.cat(each))


@torch.no_grad()
def test_its_margin_is_how_far_it_sees(mixer):
    x, one, other = images(1, 1, (64, 64))
    found = mixer(x, 0.1, one, other)
    x[..., 32, 32] += 1
    one[..., 32, 32] += 0.5
    changed = (mixer(x, 0.1, one, other) != found)[0, 0].nonzero()
    assert 4 < (changed - 32).abs().max() <= Mixer.margin


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(one=torch.rand(2, 3, 37, 49)), r"one must be as large as x, \(2, 3, 37, 50\); got \(2, 3, 37, 49\)"),
        (dict(other=torch.rand(1, 3, 37, 50)), r"other must be as large as x"),
        (dict(sigma=-1.0), "sigma must be at least 0"),
    ],
)
def test_what_cannot_be_mixed(mixer, changes, words):
    x, one, other = images()
    with pytest.raises(ValueError, match=words):
        mixer(**{"x": x, "sigma": 0.1, "one": one, "other": other, **changes})


CASES = {
    "grey": (GREY, dict(sigma=10.0)),
    "blind": (GREY, {}),
    "small values": (GREY / 1e4, dict(sigma=1e-3)),
    "colours": (COLOUR, dict(sigma=10.0, channel_axis=0)),
    "colours of unequal noise": (COLOUR, dict(sigma=[10.0, 20.0, 8.0], channel_axis=0)),
    "separate images": (np.stack([GREY, 3 * GREY]), dict(sigma=[10.0, 30.0], axes="NYX")),
    "a map": (GREY, dict(sigma=np.linspace(8, 12, 90) * np.ones((70, 1)))),
    "holes": (GREY, dict(sigma=10.0, mask=HOLES)),
    "holes that stay": (GREY, dict(sigma=10.0, mask=HOLES, fill=False)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_second_result_is_that_of_ridge(monkeypatch, name):
    networks.install(monkeypatch)
    monkeypatch.setattr(method, "_mixer", lambda _: Other())
    image, given = CASES[name]
    ref = nlmeans.denoise(image, method="ridge", quality="fast", **given)
    comp = nlmeans.denoise(image, method="learned", **given)
    np.testing.assert_allclose(comp, ref, rtol=0, atol=2e-5 * np.ptp(image))


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "CYX"])
def test_slices_frames_and_channels_are_mixed_one_by_one(monkeypatch, axes):
    networks.install(monkeypatch)
    monkeypatch.setattr(method, "_mixer", lambda _: Other())
    given = dict(sigma=[10.0, 50.0], axes=axes) if axes == "CYX" else dict(sigma=10.0, axes=axes)
    image, sigma = np.stack([GREY, 4 * GREY[::-1]]), (10, 50 if axes == "CYX" else 10)
    ref = [nlmeans.denoise(one, s, method="ridge", quality="fast") for one, s in zip(image, sigma, strict=True)]
    comp = nlmeans.denoise(image, method="learned", **given)
    if axes == "CYX":  # the strength of ridge in slices is judged by all together
        np.testing.assert_allclose(comp, ref, rtol=0, atol=2e-5 * np.ptp(image))
    assert 1 > np.abs(comp - ref).mean() < 0.2 * np.abs(comp - image).mean()


@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_holes_are_filled_with_progress(monkeypatch, quality):
    networks.install(monkeypatch)
    steps, given = [], dict(method="learned", quality=quality, mask=HOLES)
    found = nlmeans.denoise(GREY, 10, progress=lambda *step: steps.append(step), **given)
    np.testing.assert_array_equal(found, nlmeans.denoise(GREY, 10, **given))
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize("noise", [PoissonGaussian(0.8, 0, 2), Rician(8.0)])
def test_noise_that_is_not_gaussian_is_mixed_where_it_is_made_so(monkeypatch, noise):
    networks.install(monkeypatch)
    image = np.abs(GREY)
    both = []
    for one in (One(), Other()):
        monkeypatch.setattr(method, "_mixer", lambda _, one=one: one)
        both.append(nlmeans.denoise(image, noise=noise, method="learned"))
    networks.install(monkeypatch)
    mix = nlmeans.denoise(image, noise=noise, method="learned")
    low, high = np.minimum(*both), np.maximum(*both)
    assert ((low - 1e-3 <= mix) & (mix <= high + 1e-3)).all()
    assert np.abs(both[0] - both[1]).max() > 1
    error = [np.abs(one - nlmeans.denoise(image, noise=noise, method="ridge")).mean() for one in both]
    assert error[1] < error[0]


def test_what_runs_without_a_second_result(monkeypatch):
    networks.install(monkeypatch)
    monkeypatch.setattr(method, "_mixer", lambda _: pytest.fail("nothing is mixed here"))
    assert nlmeans.denoise(GREY, 10, method="learned", quality="fast").shape == GREY.shape
    assert "mixed" not in str(nlmeans.plan(GREY, 10, method="learned", quality="fast"))
    assert np.ptp(nlmeans.denoise(np.full((30, 40), 7.0), 10, method="learned")) == 0


@pytest.mark.parametrize("noise", [PoissonGaussian(0.8, 0, 2), Gaussian(covariance=400 + 100 * np.eye(3))])
def test_a_method_may_take_the_planes_for_the_image(noise):
    image, seen = np.abs(COLOUR), []

    class Looks(Method):
        name = "looks"

        def decide(self, sample, options, progress=None):
            assert sample.noise.mixes or not sample.noise.plain
            seen.append(sample.of_planes((0, 2)))
            return sample.recipe(self, sample.plan(Plan, options))

        def run(self, region, recipe, *, threads=None, progress=None):
            seen.append(region.of_planes((0, 2), 0))
            assert seen[0].noise.sigma == region.noise.sigma[::2]
            return Outcome(region.restored(region.core.of(region.planes)))

    same = nlmeans.denoise(image, noise=noise, method=Looks(), channel_axis=0)
    np.testing.assert_allclose(same, image, rtol=0, atol=1e-3 * np.ptp(image))
    sample, region = seen
    for one in (sample, region):
        assert one.noise.plain
        assert not one.noise.mixes
    np.testing.assert_array_equal(region.restored(region.planes), region.planes)
    np.testing.assert_array_equal(sample.measured, sample.judged)
    assert sample.noise.sigma == region.noise.sigma
