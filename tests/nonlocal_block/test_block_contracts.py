"""What torch promises of a module: second derivatives, torch.func, traces, exports, empty batches, other kinds."""

import itertools

import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from torch.autograd import forward_ad  # noqa: E402

from nonlocal_block import (  # noqa: E402
    NonLocalBlock1d,
    NonLocalBlock2d,
    NonLocalBlock3d,
    NonLocalClassifier,
    NonLocalDenoiser,
    NonLocalMeans2d,
    pairwise_attention,
)  # fmt: skip
from nonlocal_block.backends import NAMES  # noqa: E402
from nonlocal_block.block import MODES  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = {
    "distance": dict(score="distance", weight="gaussian", normalise="sum"),
    "gaussian": dict(score="dot", weight="exp", normalise="sum"),
    "dot product": dict(score="dot", weight="linear", normalise="count"),
    "concatenation": dict(score="sum", weight="relu", normalise="count"),
}
WHERE = [(1, 0), (1, 1), ("image", 0), ("image", 1)]


def random(*shape, seed=0, grad=True):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.double).requires_grad_(grad)


def inputs(row, *, batch=1, grad=True):
    """Return a query, a key, a value and a scale."""
    channels = 1 if row == "concatenation" else 2
    tensors = [random(batch, c, 3, 3, seed=k, grad=grad) for k, c in enumerate((channels, channels, 2))]
    return *tensors, torch.tensor(0.7, dtype=torch.double, requires_grad=grad)


def can(backend, row, search, centre):
    if backend == "sdpa":
        return row == "gaussian" and search == "image" and centre == "one"
    if backend == "linear":
        return row in ("dot product", "concatenation") and search == "image" and centre == "one"
    return centre != "max" or row == "distance"


CASES = [
    (backend, row, search, patch, centre)
    for backend, row, (search, patch), centre in itertools.product(NAMES, ROWS, WHERE, ("one", "zero", "max"))
    if can(backend, row, search, centre) and not (patch and centre != "one")
]


@pytest.mark.parametrize(("backend", "row", "search", "patch", "centre"), CASES)
def test_second_derivatives_are_right_or_refused(backend, row, search, patch, centre):
    def function(query, key, value, scale):
        return pairwise_attention(
            query, key, value, scale=scale, search_radius=search, patch_radius=patch, centre=centre, backend=backend,
            **ROWS[row],
        )  # fmt: skip

    if backend == "sdpa":
        with pytest.raises(RuntimeError, match="is not implemented"):
            torch.autograd.gradgradcheck(function, inputs(row), fast_mode=True)
    else:
        assert torch.autograd.gradgradcheck(function, inputs(row), fast_mode=True)


def test_second_derivatives_in_the_bias():
    def function(query, bias):
        return pairwise_attention(query, query, query, search_radius=1, bias=bias, **ROWS["distance"])

    bias = torch.tensor(0.4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(function, (random(1, 2, 4, 3), bias))


@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_of_a_gradients_norm(mode):
    block = small_block(mode, 1)
    x, step = random(1, 2, 3, 3), random(1, 2, 3, 3, seed=1, grad=False)

    def penalty(x):
        (gradient,) = torch.autograd.grad(block(x).square().sum(), x, create_graph=True)
        return gradient.square().sum()

    (slope,) = torch.autograd.grad(penalty(x), x)
    ahead, behind = (penalty((x + e * step).detach().requires_grad_()).item() for e in (1e-5, -1e-5))
    assert (slope * step).sum().item() == pytest.approx((ahead - behind) / 2e-5, rel=1e-5)


def small_block(mode, search, patch=0):
    torch.manual_seed(0)
    options = dict(mode=mode, search_radius=search, patch_radius=patch, norm=None, zero_init=False)
    return NonLocalBlock2d(2, **options).double().eval()


@pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("search", "patch"), WHERE)
def test_torch_func(mode, search, patch):
    block = small_block(mode, search, patch)
    batch, step = random(3, 2, 3, 3, grad=False), random(2, 3, 3, seed=1, grad=False)
    image = batch[0]

    def one(image):
        return block(image[None])[0]

    def size(image):
        return one(image).square().sum()

    def slope(function, point, e=1e-6):
        return (function(point + e * step) - function(point - e * step)) / (2 * e)

    torch.testing.assert_close(torch.func.vmap(one)(batch), block(batch))
    leaf = batch.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(block(leaf).square().sum(), leaf)
    gradient = torch.func.grad(size)
    torch.testing.assert_close(torch.func.vmap(gradient)(batch), gradients)
    torch.testing.assert_close(torch.func.jvp(one, (image,), (step,))[1], slope(one, image), rtol=1e-5, atol=1e-6)
    hessian = torch.func.hessian(size)(image).reshape(18, 18)
    torch.testing.assert_close(hessian @ step.flatten(), slope(gradient, image).flatten(), rtol=1e-4, atol=1e-5)
    with forward_ad.dual_level():
        found = forward_ad.unpack_dual(one(forward_ad.make_dual(image, step)))
    torch.testing.assert_close(found.tangent, slope(one, image), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("search", [0, 1, "image"])
def test_vmap_over_some_of_the_arguments(row, search):
    for centre in ("one", "zero", "max") if row == "distance" else ("one", "zero"):
        for dims in itertools.product((0, None), repeat=4):
            query, key, value, _ = inputs(row, batch=3, grad=False)
            every = (query, key, value, torch.tensor([0.3, 0.7, 1.1], dtype=torch.double))
            given = [x if d == 0 else x[0] for x, d in zip(every, dims, strict=True)]

            def function(query, key, value, scale, centre=centre):
                images = query[None], key[None], value[None]
                return pairwise_attention(*images, scale=scale, search_radius=search, centre=centre, **ROWS[row])[0]

            if dims == (None,) * 4:
                continue
            comp = torch.func.vmap(function, in_dims=dims)(*given)
            ref = [function(*(x[k] if d == 0 else x for x, d in zip(given, dims, strict=True))) for k in range(3)]
            torch.testing.assert_close(comp, torch.stack(ref))


def test_an_ensemble_of_blocks():
    blocks = [small_block("distance", 1) for _ in range(3)]
    for k, block in enumerate(blocks):
        block.log_scale.data -= k
    x = random(1, 2, 4, 3, grad=False)
    parameters, buffers = torch.func.stack_module_state(blocks)

    def call(parameters, buffers):
        return torch.func.functional_call(blocks[0], (parameters, buffers), (x,))

    found = torch.func.vmap(call)(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([block(x) for block in blocks]))


@pytest.mark.filterwarnings("ignore")  # a tracer has one for every look at a shape
def test_the_core_says_why_it_cannot_be_transformed():
    block = NonLocalBlock2d(2, search_radius=1, backend="numba")
    with pytest.raises(ValueError, match=r"numba: torch\.func and derivatives in forward mode do not reach into"):
        torch.func.vmap(lambda x: block(x[None])[0])(torch.ones(2, 2, 3, 3))
    with pytest.raises(ValueError, match="a trace would take its answer for a constant"):
        torch.jit.trace(block, torch.ones(1, 2, 3, 3), check_trace=False)


def denoiser():
    """Return a small network that changes what it sees."""
    torch.manual_seed(0)
    net = NonLocalDenoiser(widths=(8, 8, 8), blocks=(1, 1, 1), last=1, search_radius=1)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 4 and not parameter.any():
                parameter.normal_(0, 0.05)
    return net.eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("search", [1, "image"])
def test_a_trace_computes(mode, search):
    block = small_block(mode, search)
    traced = torch.jit.trace(block, random(1, 2, 6, 5, grad=False), check_trace=False)
    x = random(1, 2, 6, 5, seed=1, grad=False)
    torch.testing.assert_close(traced(x), block(x))
    if (mode, search) != ("distance", "image"):  # which is traced for one size; another is an error of torch's
        x = random(2, 2, 4, 7, seed=2, grad=False)
        torch.testing.assert_close(traced(x), block(x))


@pytest.mark.filterwarnings("ignore")
def test_the_denoiser_is_traced_exported_and_mapped():
    net, x, sigma = denoiser(), random(2, 1, 9, 6).float().detach(), torch.tensor([0.1, 0.3])
    ref = net(0.5 * x, 0.5 * sigma)
    torch.testing.assert_close(torch.jit.trace(net, (x, sigma), check_trace=False)(0.5 * x, 0.5 * sigma), ref)
    torch.testing.assert_close(torch.export.export(net, (x, sigma)).module()(0.5 * x, 0.5 * sigma), ref)
    each = torch.func.vmap(lambda x, sigma: net(x[None], sigma[None])[0])(0.5 * x, 0.5 * sigma)
    torch.testing.assert_close(each, ref)
    layer = NonLocalMeans2d(1, 1, 0.5)
    torch.testing.assert_close(
        torch.export.export(layer, (x, sigma)).module()(x / 2, sigma / 2), layer(x / 2, sigma / 2)
    )


def layers():
    """Return a layer of every kind, the shape of an image, and the arguments that go with it."""
    yield NonLocalBlock1d(2), (2, 6), ()
    yield NonLocalBlock2d(2, mode="distance", search_radius=1), (2, 6, 5), ()
    yield NonLocalBlock2d(2, mode="concatenation", sub_sample=True), (2, 6, 5), ()
    yield NonLocalBlock3d(2, mode="dot_product", search_radius=1), (2, 3, 4, 5), ()
    yield NonLocalMeans2d(1, 2, 0.5), (1, 6, 5), (0.1,)
    yield denoiser(), (1, 9, 6), (0.1,)
    yield denoiser(), (1, 9, 6), (torch.zeros(1, 1, 9, 6),)
    yield NonLocalClassifier(), (1, 28, 28), ()


def test_nothing_in_nothing_out():
    for layer, shape, rest in layers():
        for mode in (layer.train, layer.eval):
            mode()
            x = torch.zeros(0, *shape, requires_grad=True)
            y = layer(x, *rest)
            assert y.shape == ((0, 10) if isinstance(layer, NonLocalClassifier) else x.shape)
            y.sum().backward()
            assert x.grad.shape == x.shape
            assert all(p.grad is not None for p in layer.parameters() if p.requires_grad)


def test_shapes_alone():
    for layer, shape, rest in layers():
        x = torch.zeros(3, *shape)
        ref = layer.eval()(x, *rest).shape
        there = [r.to("meta") if isinstance(r, torch.Tensor) else r for r in rest]
        assert layer.to("meta")(x.to("meta"), *there).shape == ref


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64], ids=str)
def test_what_is_no_floating_point_is_refused(dtype):
    for layer, shape, rest in layers():
        with pytest.raises(TypeError, match=f"x must be floating-point, of 16, 32 or 64 bits; got {dtype}"):
            layer(torch.zeros(1, *shape).to(dtype), *rest)


def test_images_without_pixels_are_refused():
    for layer, shape, rest in layers():
        words = "x must have channels and pixels" if not isinstance(layer, NonLocalClassifier) else "x must have"
        with pytest.raises(ValueError, match=words):
            layer(torch.zeros(1, *shape[:-1], 0), *rest)
