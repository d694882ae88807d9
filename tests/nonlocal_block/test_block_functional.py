"""pairwise_attention: the formula against `reference`, `reference` against every backend, and what is refused."""

import itertools
import math
import subprocess
import sys
import threading
from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from nlmeans.pairwise import PairwiseSpec  # noqa: E402
from nonlocal_block import backends, functional, pairwise_attention, pairwise_map  # noqa: E402
from nonlocal_block.request import Request  # noqa: E402

ROWS = {
    "non-local means": dict(score="distance", weight="gaussian", normalise="sum", scale=0.11, bias=0.7, centre="max"),
    "distance": dict(score="distance", weight="gaussian", normalise="sum", scale=0.2),
    "gaussian": dict(score="dot", weight="exp", normalise="sum", scale=0.3),
    "dot product": dict(score="dot", weight="linear", normalise="count"),
    "concatenation": dict(score="sum", weight="relu", normalise="count", scale=1.3),
}
CAN = {"reference": [*ROWS], "numba": [*ROWS], "sdpa": ["gaussian"], "linear": ["dot product", "concatenation"]}
WINDOWED = ("reference", "numba")
no_numba = pytest.mark.skipif(find_spec("nonlocal_block.backends.numba_cpu") is None, reason="no numba backend")


def pairs(*backends):
    """Return parameters for each backend and each row that it computes."""
    return pytest.mark.parametrize(
        ("backend", "row"),
        [pytest.param(b, row, marks=no_numba if b == "numba" else ()) for b in backends for row in CAN[b]],
    )


SIDES = [(7,), (4, 5), (2, 3, 3)]
# Of the reference's largest number. The core's float32 exponentials are good to about 1e-4.
CLOSE = {torch.float32: 2e-4, torch.float64: 1e-9}


def tensors(row, sides, *, batch=2, keys=None, dtype=torch.float64, grad=False, seed=0):
    """Return a random query, key and value."""
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if ROWS[row]["score"] == "sum" else 3
    shapes = (batch, channels, *sides), (batch, channels, *(keys or sides)), (batch, 2, *(keys or sides))
    return [torch.randn(s, generator=generator, dtype=dtype).requires_grad_(grad) for s in shapes]


def mirrored(position, side):
    """Return the pixel that a position beyond the border reads."""
    while not 0 <= position < side:
        position = -position if position < 0 else 2 * (side - 1) - position
        if side == 1:
            return 0
    return position


def pair_scores(query, key, score, patch_radius):
    """Return the score of every pixel with every other (batch, i, j), summed over the places of a patch."""
    grids = query.shape[2:], key.shape[2:]
    total = 0.0
    for offset in itertools.product(range(-patch_radius, patch_radius + 1), repeat=len(grids[0])):
        q, p = (
            np.stack(
                [
                    t[(..., *(mirrored(a + d, s) for a, d, s in zip(place, offset, sides, strict=True)))]
                    for place in np.ndindex(*sides)
                ],
                axis=-1,
            )
            for t, sides in zip((query, key), grids, strict=True)
        )
        q, p = q[..., :, None], p[..., None, :]
        total = total + {"distance": (q - p) ** 2, "dot": q * p, "sum": q + p}[score].sum(1)
    return total


def double_sum(query, key, value, search_radius="image", patch_radius=0, **row):
    """Compute the formula pair by pair, in plain Python."""
    scale, bias, centre = row.get("scale", 1.0), row.get("bias", 0.0), row.get("centre", "one")
    sides, keys = query.shape[2:], key.shape[2:]
    query, key, value = (t.detach().double().numpy() for t in (query, key, value))
    output = np.zeros((value.shape[0], value.shape[1], *sides))
    scores = pair_scores(query, key, row["score"], patch_radius).reshape(-1, *sides, *keys)
    f = {
        "gaussian": lambda s: w if (w := math.exp(-max(s - bias, 0) * scale)) >= 2.0**-32 else 0.0,
        "exp": lambda s: math.exp(s * scale),
        "linear": lambda s: s * scale,
        "relu": lambda s: max(s * scale, 0),
    }[row["weight"]]
    for b in range(len(value)):
        for i in np.ndindex(*sides):
            near = [
                j
                for j in np.ndindex(*keys)
                if search_radius == "image" or max(abs(a - c) for a, c in zip(i, j, strict=True)) <= search_radius
            ]
            others = [j for j in near if j != i or sides != keys]
            weights = {j: f(scores[(b, *i, *j)]) for j in others}
            if sides == keys and row["weight"] == "gaussian":
                weights[i] = {"one": 1, "zero": 0, "max": max(weights.values(), default=0)}[centre]
                if sum(weights.values()) == 0:
                    weights[i] = 1
            elif sides == keys and centre == "one":
                weights[i] = f(scores[(b, *i, *i)])
            total = sum(weights.values()) if row["normalise"] == "sum" else len(weights)
            for j, w in weights.items():
                output[(b, slice(None), *i)] += w * value[(b, slice(None), *j)] / total
    return output


def assert_close(ref, comp, dtype=torch.float64):
    """Compare with the reference, relative to its largest number."""
    size = max(float(ref.detach().abs().max()), 1e-3)
    error = float((ref - comp).detach().abs().max()) / size
    assert error <= CLOSE[dtype], f"error {error:.1e} of the largest number"


def attend(backend, inputs, row, **options):
    """Compute a row of the table."""
    return pairwise_attention(*inputs, backend=backend, **{**ROWS[row], **options})


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("patch", [0, 1])
@pytest.mark.parametrize("search", [0, 1, "image"])
def test_reference_equals_the_double_sum(row, sides, patch, search):
    inputs = tensors(row, sides)
    centres = ("one", "zero", "max") if row in ("distance", "non-local means") else ("one", "zero")
    for centre in centres:
        options = {**ROWS[row], "search_radius": search, "patch_radius": patch, "centre": centre}
        comp = pairwise_attention(*inputs, backend="reference", **options)
        np.testing.assert_allclose(comp.numpy(), double_sum(*inputs, **options), rtol=1e-9, atol=1e-12)
        weights = pairwise_map(*inputs[:2], **options)
        average = (weights @ inputs[2].flatten(2).transpose(1, 2)).transpose(1, 2).reshape(comp.shape)
        np.testing.assert_allclose(average.numpy(), comp.numpy(), rtol=1e-9, atol=1e-12)
        if options["normalise"] == "sum" and centre != "zero":
            np.testing.assert_allclose(weights.sum(2).numpy(), 1, rtol=1e-12)


@pytest.mark.parametrize("row", ROWS)
def test_keys_on_another_grid(row):
    inputs = tensors(row, (4, 5), keys=(2, 3))
    options = ROWS[row]
    for centre in ("one", "zero"):
        comp = pairwise_attention(*inputs, backend="reference", **{**options, "centre": centre})
        np.testing.assert_allclose(comp.numpy(), double_sum(*inputs, **{**options, "centre": centre}), rtol=1e-9)


@pytest.mark.parametrize("row", ROWS)
def test_patches_larger_than_the_image_read_it_over_and_over(row):
    inputs = tensors(row, (2, 3), batch=1)
    options = {**ROWS[row], "search_radius": 1, "patch_radius": 4, "scale": 0.01}
    comp = pairwise_attention(*inputs, backend="reference", **options)
    np.testing.assert_allclose(comp.numpy(), double_sum(*inputs, **options), rtol=1e-9, atol=1e-12)


@pairs("numba", "sdpa", "linear")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    ("sides", "keys", "options"),
    [
        ((37,), None, {}),
        ((9, 11), None, {}),
        ((9, 11), (4, 5), {}),
        ((3, 5, 6), None, {"patch_radius": 1}),
        ((9, 11), None, {"patch_radius": (1, 2)}),
        ((40,), None, {"search_radius": 3}),
        ((9, 11), None, {"search_radius": (2, 3), "patch_radius": 1}),
        ((9, 11), None, {"search_radius": 20, "centre": "zero"}),
        ((3, 5, 6), None, {"search_radius": 1}),
    ],
)
def test_backends_equal_the_reference_forward_and_backward(backend, dtype, row, sides, keys, options):
    if "search_radius" in options and backend not in WINDOWED:
        options = {key: value for key, value in options.items() if key == "patch_radius"}
    inputs = tensors(row, sides, keys=keys, dtype=dtype, grad=True)
    comp = attend(backend, inputs, row, **options)
    ref = pairwise_attention(*inputs, backend="reference", **{**ROWS[row], **options})
    assert comp.dtype == dtype
    assert_close(ref, comp, dtype)
    towards = torch.randn(ref.shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    for a, b in zip(torch.autograd.grad(ref, inputs, towards), torch.autograd.grad(comp, inputs, towards), strict=True):
        assert_close(a, b, dtype)


@pairs("reference", "numba", "sdpa", "linear")
@pytest.mark.parametrize("sides", [(5,), (3, 4), (2, 2, 3)], ids=str)
@pytest.mark.parametrize("patch", [0, 1])
def test_gradcheck(backend, row, sides, patch):
    inputs = tensors(row, sides, batch=1, grad=True)
    scale = torch.tensor(ROWS[row].get("scale", 1.0), dtype=torch.float64, requires_grad=True)
    for search in (0, 1, "image") if backend in WINDOWED else ("image",):

        def function(*inputs, search=search):
            return attend(backend, inputs[:3], row, scale=inputs[3], search_radius=search, patch_radius=patch)

        assert torch.autograd.gradcheck(function, (*inputs, scale), fast_mode=True)


@pytest.mark.parametrize("backend", ["reference", pytest.param("numba", marks=no_numba)])
@pytest.mark.parametrize("centre", ["one", "zero", "max"])
def test_gradients_through_each_centre(backend, centre):
    for row in ("distance", "gaussian") if centre != "max" else ("distance",):
        for search in (2, "image"):

            def function(*inputs, search=search, row=row):
                return attend(backend, inputs, row, search_radius=search, centre=centre)

            assert torch.autograd.gradcheck(function, tensors(row, (3, 4), batch=1, grad=True), fast_mode=True)


@pytest.mark.parametrize("backend", ["reference", pytest.param("numba", marks=no_numba)])
def test_a_bias_may_be_a_tensor(backend):
    inputs = tensors("distance", (5, 6))
    bias = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    comp = attend(backend, inputs, "distance", search_radius=2, bias=bias)
    ref = attend("reference", inputs, "distance", search_radius=2, bias=0.4)
    assert_close(ref, comp)
    (slope,) = torch.autograd.grad(comp.square().sum(), bias)
    ahead, behind = (attend("reference", inputs, "distance", search_radius=2, bias=0.4 + d) for d in (1e-5, -1e-5))
    assert float(slope) == pytest.approx(float((ahead.square() - behind.square()).sum()) / 2e-5, rel=1e-5)
    with pytest.raises(ValueError, match="bias belongs to the score 'distance'"):
        pairwise_attention(*inputs, score="dot", weight="exp", normalise="sum", bias=bias)


@pytest.mark.parametrize("backend", ["reference", pytest.param("numba", marks=no_numba)])
@pytest.mark.parametrize("search", [1, "image"])
def test_a_pixel_that_is_like_no_other_keeps_its_value(backend, search):
    x = torch.tensor([0.0, 0.1, 1e4, 0.2, 0.1]).reshape(1, 1, 5)
    for centre in ("max", "zero"):
        y = attend(backend, (x, x, x), "distance", search_radius=search, centre=centre)
        assert y[0, 0, 2] == 1e4
        assert 0 < y[0, 0, 0] < 1
    # Keys on another grid hold no such pixel: nothing is like it, nothing comes.
    far = pairwise_attention(x, x[..., :1], x[..., :1] + 5, backend="reference", **ROWS["distance"])
    assert far[0, 0, 2] == 0


@pytest.mark.parametrize("backend", ["reference", pytest.param("numba", marks=no_numba)])
def test_no_partner_at_all_gives_zero(backend):
    inputs = tensors("dot product", (3, 4))
    for row in ("gaussian", "dot product"):
        assert not attend(backend, inputs, row, search_radius=0, centre="zero").any()


@pairs(*CAN)
def test_large_scores_do_not_overflow(backend, row):
    inputs = [100 * t for t in tensors(row, (6, 7), dtype=torch.float32, grad=True)]
    y = attend(backend, inputs, row)
    assert y.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), inputs))


@pairs(*CAN)
def test_nan_passes_through(backend, row):
    for which, search in itertools.product(range(3), (2, "image") if backend in WINDOWED else ("image",)):
        inputs = tensors(row, (4, 9), dtype=torch.float32)
        inputs[which][:, :, 1, 1] = torch.nan
        for t in inputs:
            t.requires_grad_()
        y = attend(backend, inputs, row, search_radius=search)
        if (backend, which) == ("linear", 2):  # a weight of 0 keeps even NaN out
            assert y.isnan().any()
        else:
            assert y[:, :, 1, 1 if which == 0 else 2].isnan().all()
        if search == 2:
            assert y[:, :, :, 5:].isfinite().all()
        y.sum().backward()


@pairs(*CAN)
def test_empty_batches(backend, row):
    empty = tensors(row, (4, 5), batch=0, dtype=torch.float32, grad=True)
    y = attend(backend, empty, row)
    assert y.shape == (0, 2, 4, 5)
    y.sum().backward()
    assert empty[0].grad.shape == empty[0].shape


@pairs(*CAN)
def test_strided_tensors(backend, row):
    dense = tensors(row, (6, 5))
    dense[2] = dense[2][:1].expand(2, 2, 6, 5).contiguous()
    strided = [t.transpose(2, 3).contiguous().transpose(2, 3) for t in dense]
    strided[2] = dense[2][:1].expand(2, 2, 6, 5)
    for t in strided:
        t.requires_grad_()
    for search in (2, "image") if backend in WINDOWED else ("image",):
        ref = attend("reference", dense, row, search_radius=search)
        comp = attend(backend, strided, row, search_radius=search)
        assert_close(ref, comp)
        comp.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("search", [2, "image"])
def test_16_bit_tensors_are_weighed_in_float32(dtype, row, search):
    inputs = [t.to(dtype) for t in tensors(row, (8, 9))]
    y = pairwise_attention(*inputs, search_radius=search, **ROWS[row])
    assert y.dtype == dtype
    ref = pairwise_attention(*(t.float() for t in inputs), search_radius=search, **ROWS[row])
    assert float((y - ref).abs().max()) <= 2 * torch.finfo(dtype).eps * float(ref.abs().max())
    assert pairwise_map(*inputs[:2], search_radius=search, **ROWS[row]).dtype == torch.float32


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("search", [2, "image"])
def test_autocast_changes_nothing(row, search):
    inputs = tensors(row, (6, 7), dtype=torch.float32, grad=True)
    ref = attend("reference", inputs, row, search_radius=search)
    slopes = torch.autograd.grad(ref.square().sum(), inputs)
    with torch.autocast("cpu", torch.bfloat16):
        comp = attend("reference", inputs, row, search_radius=search)
        within = torch.autograd.grad(comp.square().sum(), inputs)
    assert torch.equal(ref, comp)
    assert all(torch.equal(a, b) for a, b in zip(slopes, within, strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(ref, pairwise_attention(*inputs, search_radius=search, **ROWS[row]), torch.float32)


def test_a_radius_beyond_the_image_is_capped_to_it():
    inputs = tensors("gaussian", (4, 5))
    ref = pairwise_attention(*inputs, **ROWS["gaussian"])
    assert torch.equal(ref, pairwise_attention(*inputs, search_radius=10**9, **ROWS["gaussian"]))
    wide = pairwise_attention(*inputs, search_radius=(1, 99), backend="reference", **ROWS["gaussian"])
    same = pairwise_attention(*inputs, search_radius=(1, 4), backend="reference", **ROWS["gaussian"])
    assert torch.equal(wide, same)


def test_the_reference_forgets_chunks_and_recalls_them():
    for row, names in ROWS.items():
        inputs = tensors(row, (5, 6), grad=True)
        spec = PairwiseSpec((0, 0, 0), None, **{"centre": "one", "scale": 1.0} | names)
        planes = [x[:, :, None] for x in inputs]
        request = Request(*planes, spec, spec.scale, spec.bias, inputs[0].dtype)
        chunked, whole = (backends.reference.run(request, pairs) for pairs in (50, 2**20))
        assert_close(whole, chunked)
        grads = torch.autograd.grad(chunked.sum(), inputs)
        for a, b in zip(torch.autograd.grad(whole.sum(), inputs), grads, strict=True):
            assert_close(a, b)


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell how much a process took")
def test_no_map_is_made_unless_asked_for():
    """At 6,144 pixels a map takes 144 MiB: the process must grow by far less, forward and backward."""
    rows = {name: ROWS[name] for name in ("gaussian", "dot product", "concatenation")}
    code = f"""
import resource, torch
from nonlocal_block import pairwise_attention
torch.set_num_threads(1)
def run(n, row):
    x = torch.randn(1, 1 if row["score"] == "sum" else 8, n, requires_grad=True)
    v = torch.randn(1, 8, n, requires_grad=True)
    pairwise_attention(x, x, v, **row).sum().backward()
for row in {list(rows.values())!r}:
    run(128, row)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(6144, row)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unit = 1024 if sys.platform == "darwin" else 1
    grown = {name: int(size) / unit for name, size in zip(rows, done.stdout.split(), strict=True)}
    assert max(grown.values()) < 32 * 1024, f"kB: {grown}"


def test_any_number_of_threads_gives_the_same_bits():
    inputs = tensors("distance", (40, 41), dtype=torch.float32, grad=True)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            y = pairwise_attention(*inputs, search_radius=4, **ROWS["distance"])
            results.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_two_threads_at_once_and_repeats_give_the_same_bits():
    inputs = tensors("distance", (20, 21), dtype=torch.float32)
    for options in ({**ROWS["distance"], "search_radius": 4}, ROWS["gaussian"]):
        first = pairwise_attention(*inputs, **options)
        results = [None] * 4

        def work(k, options=options, results=results):
            results[k] = pairwise_attention(*inputs, **options)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(torch.equal(first, result) for result in results)


def test_auto_chooses_and_says_why():
    def chosen(row, **options):
        return functional.explain(*tensors(row, (4, 5)), **{**ROWS[row], **options}).splitlines()[0]

    assert chosen("gaussian") == "sdpa"
    assert chosen("dot product") == chosen("concatenation") == "linear"
    text = functional.explain(*tensors("gaussian", (4, 5)), **ROWS["gaussian"], search_radius=1)
    assert "not sdpa: it searches the whole image; asked for a window of radius (0, 1, 1)" in text
    if find_spec("nonlocal_block.backends.numba_cpu"):
        assert {chosen(row, search_radius=1) for row in ROWS} == {"numba"}
        assert chosen("distance") == "numba"


IMAGE = torch.zeros(1, 2, 4, 5)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (dict(query=[1.0]), TypeError, "query must be a torch.Tensor; got list"),
        (dict(key=IMAGE.long()), TypeError, "key must be floating-point, of 16, 32 or 64 bits; got torch.int64"),
        (dict(query=torch.zeros(2, 3)), ValueError, "query must have 1 to 3 spatial dimensions"),
        (dict(query=torch.zeros(1, 0, 4, 5)), ValueError, "query must have channels and pixels"),
        (dict(key=torch.zeros(1, 2, 0, 5)), ValueError, "key must have channels and pixels"),
        (dict(value=IMAGE.double()), ValueError, "must share one dtype; got the dtypes torch.float32, torch.float32"),
        (dict(value=IMAGE.to("meta")), ValueError, "must share one device; got the devices cpu, cpu, meta"),
        (dict(value=torch.zeros(1, 2, 20)), ValueError, "must share one ndim; got the dimensions 4, 4, 3"),
        (dict(query=torch.zeros(2, 2, 4, 5)), ValueError, "must be of one batch size; got 2, 1, 1"),
        (dict(query=torch.zeros(1, 3, 4, 5)), ValueError, "must have as many channels; got 3 and 2"),
        (dict(value=torch.zeros(1, 2, 4, 4)), ValueError, "key and value must lie on one grid; got shape"),
        (dict(score="sum", weight="relu", normalise="count"), ValueError, "takes query and key of 1 channel; got 2"),
        (dict(search_radius=-1), ValueError, "search_radius is a radius .* at least 0; got -1"),
        (dict(search_radius=1.5), TypeError, "search_radius must be a whole number; got 1.5"),
        (dict(search_radius=True), TypeError, "search_radius must be a whole number; got True"),
        (dict(search_radius=(1, 2, 3)), ValueError, "one for each of 2 spatial axes; got"),
        (dict(search_radius="all"), ValueError, "search_radius must be 'image', or whole numbers .* got 'all'"),
        (dict(patch_radius=-2), ValueError, "patch_radius is a radius .* at least 0; got -2"),
        (dict(patch_radius="image"), TypeError, "patch_radius must be a whole number; got 'image'"),
        (dict(score="cosine"), ValueError, "score, weight and normalise must be one of"),
        (dict(weight="softmax"), ValueError, "score, weight and normalise must be one of"),
        (dict(normalise="count"), ValueError, "score, weight and normalise must be one of"),
        (dict(centre="max"), ValueError, "centre must be one of"),
        (dict(centre="middle"), ValueError, "centre must be one of"),
        (dict(bias=1.0), ValueError, "bias must be at least 0, and 0 unless the weight is gaussian"),
        (dict(scale=math.inf), ValueError, "scale must be finite.* got inf"),
        (dict(scale="1"), TypeError, "scale must be a number; got '1'"),
        (dict(scale=torch.ones(2)), ValueError, "scale must be a number, or a floating-point tensor without dim"),
        (dict(backend="cuda"), ValueError, "backend must be 'auto' or one of 'sdpa', .* got 'cuda'"),
        (dict(backend="linear"), ValueError, "backend 'linear' must be able to compute the request: linear: it comp"),
        (dict(key=IMAGE[..., :2], value=IMAGE[..., :2], search_radius=1), ValueError, "query and key on one grid; got"),
        (dict(key=IMAGE[..., :2], value=IMAGE[..., :2], patch_radius=1), ValueError, "query and key on one grid; got"),
    ],
)
def test_bad_input_states_rule_and_value(change, error, words):
    arguments = dict(query=IMAGE, key=IMAGE, value=IMAGE, score="dot", weight="exp", normalise="sum")
    with pytest.raises(error, match=words):
        pairwise_attention(**{**arguments, **change})


def test_without_torch_the_extra_is_named():
    code = "import sys; sys.modules['torch'] = None; import nonlocal_block"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'nlmeans[learned]'" in done.stderr


def test_the_package_itself_is_light():
    code = "import sys, nonlocal_block; print('torch' in sys.modules, 'pairwise_attention' in dir(nonlocal_block))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
