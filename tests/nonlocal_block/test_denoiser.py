"""The denoising network: its stage starts as non-local means, its call takes any image and level."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from torch.nn import functional as F  # noqa: E402

from nlmeans.pairwise import PairwiseSpec, naive, pairwise_average  # noqa: E402
from nonlocal_block.denoiser import NonLocalDenoiser, NonLocalStage  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def lively(channels=1, **options):
    """Return a small network that changes what it sees."""
    torch.manual_seed(0)
    net = NonLocalDenoiser(channels, widths=(16, 16, 16), blocks=(1, 1, 1), last=1, search_radius=2, **options)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 4 and not parameter.any():
                parameter.normal_(0, 0.05)
    return net.eval()


@pytest.mark.parametrize("seed", range(6))
def test_an_untrained_stage_is_non_local_means(seed):
    rng = np.random.default_rng(seed)
    channels, more, patch, search = (int(rng.integers(a, b)) for a, b in ((1, 5), (0, 3), (0, 3), (1, 4)))
    shape, sigma, strength = rng.integers(5, 14, 2), float(rng.uniform(0.05, 0.3)), float(rng.uniform(0.5, 2))
    guide, values = rng.random((channels + more, *shape)), rng.random((3, *shape))
    stage = NonLocalStage(channels, more, patch, search, strength).double()
    level = torch.full((1, 1, 1, 1), sigma, dtype=torch.float64)
    comp = stage(torch.from_numpy(values)[None], torch.from_numpy(guide)[None], level)[0].detach().numpy()

    terms = channels * (2 * patch + 1) ** 2
    spec = PairwiseSpec(
        patch_radius=(0, patch, patch), search_radius=(0, search, search), bias=0.0, centre="one",
        scale=1 / (strength**2 * sigma**2 * terms),
    )  # fmt: skip
    planes, picture = values[:, None], np.ascontiguousarray(guide[:channels, None])
    np.testing.assert_allclose(comp, naive.pairwise_average(picture, picture, planes, spec)[:, 0], rtol=0, atol=2e-6)
    np.testing.assert_allclose(comp, pairwise_average(picture, planes, spec)[:, 0], rtol=0, atol=2e-6)


def test_kinds_of_weights():
    x, guide, level = torch.rand(1, 2, 9, 9), torch.rand(1, 3, 9, 9), torch.full((1, 1, 1, 1), 0.3)
    none = NonLocalStage(3, 0, 1, 3, 1.0, "none")
    assert none(x, guide, level) is x
    for weights, learns in (("learned", True), ("raw", False)):
        stage = NonLocalStage(3, 0, 1, 3, 1.0, weights)
        stage(x, guide, level).square().sum().backward()
        assert (stage.embed.weight.grad is not None) == learns
        assert stage.log_gain.grad.abs() > 0
        assert stage.exponent.grad.abs() > 0
    with pytest.raises(ValueError, match="weights must be one of 'learned', 'raw', 'none'; got 'random'"):
        NonLocalStage(3, 0, 1, 3, 1.0, "random")


def test_without_noise_nothing_is_averaged():
    x = torch.rand(1, 2, 9, 9)
    stage = NonLocalStage(2, 0, 1, 3, 1.0)
    assert torch.equal(stage(x, x, torch.zeros(1, 1, 1, 1)), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_size_and_start(channels):
    net = NonLocalDenoiser(channels)
    assert sum(p.numel() for p in net.parameters()) < 1e6
    x = torch.rand(2, channels, 24, 31)
    assert torch.equal(net(x, 0.1), x)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (8, 8), (13, 40), (17, 9)])
def test_any_size(shape):
    net = lively()
    x = torch.rand(2, 1, *shape)
    found = net(x, 0.1)
    assert found.shape == x.shape
    assert found.isfinite().all()
    below, right = -shape[0] % 8, -shape[1] % 8
    if min(shape) > 8:  # torch's own padding can mirror it
        whole = net(F.pad(x, [0, right, 0, below], mode="reflect"), 0.1)[:, :, : shape[0], : shape[1]]
        torch.testing.assert_close(found, whole)


def test_forms_of_sigma():
    net, x = lively(), torch.rand(2, 1, 16, 19)
    ref = net(x, 0.2)
    for sigma in (torch.tensor(0.2), torch.tensor([0.2, 0.2]), torch.full((2, 1, 16, 19), 0.2)):
        torch.testing.assert_close(net(x, sigma), ref)
    torch.testing.assert_close(net(x, torch.full((1, 1, 16, 19), 0.2)), ref)
    apart = net(x, torch.tensor([0.2, 0.05]))
    torch.testing.assert_close(apart[:1], ref[:1])
    torch.testing.assert_close(apart[1:], net(x[1:], 0.05))
    assert not torch.allclose(apart[1:], ref[1:])


def test_a_map_of_sigma_counts_where_it_is():
    net, x = lively(), torch.rand(1, 1, 8, 400)
    level = torch.full((1, 1, 8, 400), 0.05)
    level[..., 200:] = 0.3
    found = net(x, level)
    for sigma, part in ((0.05, slice(0, 80)), (0.3, slice(320, 400))):  # the middle is too far away to matter
        torch.testing.assert_close(found[..., part], net(x, sigma)[..., part], rtol=0, atol=1e-5)
    assert not torch.allclose(net(x, 0.05), net(x, 0.3), atol=1e-3)


@pytest.mark.parametrize("shape", [(8, 16), (13, 9)])
def test_a_guide_is_seen_and_compared(shape):
    net = lively(guides=2)
    x, guide = torch.rand(2, 1, *shape), torch.rand(2, 2, *shape)
    found = net(x, 0.2, guide)
    assert found.shape == x.shape
    apart = torch.cat([net(x[k : k + 1], 0.2, guide[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(found, apart)
    assert not torch.allclose(net(x, 0.2, guide.flip(1)), found, atol=1e-3)
    seen = {}
    net.stage.register_forward_pre_hook(lambda _, given: seen.update(guide=given[1]))
    net(x, 0.2, guide)
    below, right = -shape[0] % 8, -shape[1] % 8
    if not (below or right):
        assert torch.equal(seen["guide"][:, -8:], F.pixel_unshuffle(guide, 2))
    assert seen["guide"].shape[1] == 4 + net.more + 8


@pytest.mark.parametrize(
    ("guides", "guide", "found"), [(0, torch.rand(1, 1, 8, 8), r"\(1, 1, 8, 8\)"), (1, None, "none")]
)
def test_guides_are_as_many_as_the_network_was_made_for(guides, guide, found):
    with pytest.raises(ValueError, match=f"guide must be of {guides} channels, .*; got {found}"):
        lively(guides=guides)(torch.rand(1, 1, 8, 8), 0.1, guide)
    if guides:
        with pytest.raises(ValueError, match=r"guide must be as large as x, \(1, 1, 8, 8\); got \(1, 1, 8, 9\)"):
            lively(guides=1)(torch.rand(1, 1, 8, 8), 0.1, torch.rand(1, 1, 8, 9))


@pytest.mark.parametrize(
    ("x", "sigma", "words"),
    [
        (torch.rand(1, 3, 8, 8), 0.1, r"x must have the shape \(B, 1, H, W\); got shape \(1, 3, 8, 8\)"),
        (torch.rand(1, 8, 8), 0.1, "x must have the shape"),
        (torch.rand(1, 1, 8, 8), -0.1, "sigma must be at least 0 and finite, in the units of x; got -0.1"),
        (
            torch.rand(1, 1, 8, 8),
            torch.full((1, 1, 8, 8), -0.5),
            "sigma must be at least 0 and finite, in the units of x; got -0.5",
        ),
        (torch.rand(1, 1, 8, 8), torch.full((1, 1, 8, 8), torch.inf), "and finite, in the units of x; got inf"),
        (torch.rand(1, 1, 8, 8), torch.tensor([torch.nan]), "and finite, in the units of x; got nan"),
        (torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 9), "a map of sigma must have the shape"),
        (torch.rand(2, 1, 8, 8), torch.rand(3), "sigma must be a number, or one for each of 2 images"),
    ],
)
def test_bad_calls(x, sigma, words):
    with pytest.raises(ValueError, match=words):
        lively()(x, sigma)


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"x must be floating-point, of 16, 32 or 64 bits; got torch\.uint8"):
        lively()(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 0.1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(channels=0), "channels must be at least 1; got 0"),
        (dict(widths=(8, 8)), r"widths must be 3 whole numbers of at least 1; got \(8, 8\)"),
        (dict(widths=(8, 0, 8)), "widths must be at least 1; got 0"),
        (dict(blocks="211"), "blocks must be 3 whole numbers of at least 0; got '211'"),
        (dict(last=-1), "last must be at least 0; got -1"),
        (dict(more=-1), "more must be at least 0; got -1"),
        (dict(search_radius=-1), "search_radius must be at least 0; got -1"),
        (dict(guides=-1), "guides must be at least 0; got -1"),
        (dict(strength=0.0), "strength must be above 0; got 0"),
        (dict(weights="best"), "weights must be one of"),
    ],
)
def test_bad_parameters(options, words):
    with pytest.raises(ValueError, match=words):
        NonLocalDenoiser(**options)


def test_every_parameter_learns_in_half_precision_too():
    for half in (False, True):
        net = lively().train()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = net(torch.rand(2, 1, 16, 16), 0.1)
        assert found.dtype == torch.float32
        found.square().mean().backward()
        assert all(p.grad.isfinite().all() and p.grad.any() for p in net.parameters())
