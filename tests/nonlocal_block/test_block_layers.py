"""The blocks: shapes, identity, the matrix form, maps, other types, compilers, workers, and what is refused."""

import copy
import io
import multiprocessing
import threading

import pytest

torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")

from torch import nn  # noqa: E402

from nonlocal_block import NonLocalBlock1d, NonLocalBlock2d, NonLocalBlock3d  # noqa: E402
from nonlocal_block.block import MODES  # noqa: E402

BLOCKS = [NonLocalBlock1d, NonLocalBlock2d, NonLocalBlock3d]
SIDES = [(9,), (5, 6), (2, 4, 5)]
EVERY = pytest.mark.parametrize("mode", MODES)
WHOLE = pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "distance"])


def image(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("block", "sides", "mode"),
    [*((BLOCKS[1], SIDES[1], mode) for mode in MODES), *((BLOCKS[k], SIDES[k], "embedded_gaussian") for k in (0, 2))],
)
def test_a_block_starts_as_the_identity_and_learns(block, sides, mode):
    torch.manual_seed(0)  # of the concatenation, some starts have no positive score
    for options in ({}, {"norm": None}, {"sub_sample": True}, {"search_radius": 1, "patch_radius": 1}):
        layer = block(6, mode=mode, **options)
        x = image(3, 6, *sides)
        assert torch.equal(layer(x), x)
        assert torch.equal(layer.eval()(x), x)
        layer.train()
        optimizer = torch.optim.SGD(layer.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x).square().mean().backward()
            optimizer.step()
        assert not torch.equal(layer(x), x)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
        assert layer.g.weight.grad.any()


def test_a_trained_cnn_with_the_block_put_in_gives_the_same_bits():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 4 * 4, 10),
    )  # fmt: skip
    x, optimizer = image(4, 1, 14, 14), torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()

    other = copy.deepcopy(net)
    block = NonLocalBlock2d(8)
    other.insert(4, block)

    assert torch.equal(other.eval()(x), net.eval()(x))
    assert torch.equal(other.train()(x), net.train()(x))


def test_the_figure_of_the_paper():
    """Figure 2 of the paper: T×H×W×1024, inside 512."""
    layer = NonLocalBlock3d(1024, zero_init=False)
    assert layer.theta.weight.shape == (512, 1024, 1, 1, 1)
    assert layer.out.weight.shape == (1024, 512, 1, 1, 1)
    assert layer(image(1, 1024, 2, 3, 4)).shape == (1, 1024, 2, 3, 4)


@pytest.mark.parametrize("norm", ["batch", None])
def test_the_double_sum_equals_the_matrix_form(norm):
    """softmax((HW × C)(C × HW)) (HW × C), and one addition."""
    layer = NonLocalBlock2d(6, zero_init=False, norm=norm).eval()
    x = image(2, 6, 4, 5)
    z, nl_map = layer(x, return_nl_map=True)
    theta, phi, g = (part(x).flatten(2) for part in (layer.theta, layer.phi, layer.g))
    relation = torch.softmax(theta.transpose(1, 2) @ phi, dim=2)
    y = (relation @ g.transpose(1, 2)).transpose(1, 2).reshape(2, 3, 4, 5)
    ref = layer.out(y) + x if norm is None else layer.norm(layer.out(y)) + x
    torch.testing.assert_close(z, ref, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(nl_map, relation, rtol=1e-5, atol=1e-6)
    for i, j in ((0, 7), (13, 13), (19, 2)):
        pair = [torch.exp(theta[0, :, i] @ phi[0, :, k]) for k in range(20)]
        assert float(nl_map[0, i, j].detach()) == pytest.approx(float((pair[j] / sum(pair)).detach()), rel=1e-5)


@EVERY
def test_3d_at_one_frame_equals_2d(mode):
    for options in ({}, {"sub_sample": True}, {"search_radius": (0, 2, 1)}):
        flat = {**options, "search_radius": (2, 1)} if "search_radius" in options else options
        image_block = NonLocalBlock2d(4, mode=mode, zero_init=False, **flat).double()
        video_block = NonLocalBlock3d(4, mode=mode, zero_init=False, **options).double()
        state = {
            name: p.unsqueeze(2) if p.ndim == 4 else p for name, p in image_block.state_dict().items()
        }  # fmt: skip
        video_block.load_state_dict(state)
        x = image(2, 4, 6, 7).double()
        torch.testing.assert_close(video_block(x[:, :, None])[:, :, 0], image_block(x), rtol=1e-8, atol=1e-10)


@EVERY
@pytest.mark.parametrize("options", [{}, {"sub_sample": True}, {"search_radius": 1}], ids=str)
def test_maps(mode, options):
    layer = NonLocalBlock2d(4, mode=mode, zero_init=False, norm=None, **options)
    x = image(2, 4, 6, 5)
    z, nl_map = layer(x, return_nl_map=True)
    keys = 3 * 2 if "sub_sample" in options else 30
    assert nl_map.shape == (2, 30, keys)
    assert torch.equal(z, layer(x))
    if MODES[mode]["normalise"] == "sum":
        torch.testing.assert_close(nl_map.sum(2), torch.ones(2, 30))
    value = layer.g(x)
    if "sub_sample" in options:
        value = nn.functional.max_pool2d(value, 2)
    y = (nl_map @ value.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(2, 2, 6, 5)
    torch.testing.assert_close(layer.out(y) + x, z, rtol=1e-4, atol=1e-5)
    if "search_radius" in options:  # row 7 is the pixel (1, 2); what it looks at lies around it
        seen = nl_map[0, 7].reshape(6, 5).detach().ne(0).nonzero().tolist()
        assert {tuple(p) for p in seen} <= {(h, w) for h in (0, 1, 2) for w in (1, 2, 3)}


def test_distance_mode_starts_as_non_local_means_over_embeddings():
    layer = NonLocalBlock2d(4, mode="distance", patch_radius=1)
    assert torch.equal(layer.theta.weight, layer.phi.weight)
    assert layer.theta.weight is not layer.phi.weight
    assert float(layer.log_scale.detach().exp()) == pytest.approx(1 / (2 * 9))


def test_use_scale_divides_by_the_root_of_the_channels():
    plain = NonLocalBlock2d(8, zero_init=False)
    scaled = NonLocalBlock2d(8, zero_init=False, use_scale=True)
    scaled.load_state_dict(plain.state_dict())
    with torch.no_grad():
        plain.theta.weight /= 2
        plain.theta.bias /= 2
    x = image(2, 8, 5, 5)
    torch.testing.assert_close(plain(x), scaled(x), rtol=1e-5, atol=1e-5)


@EVERY
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_and_half(mode, dtype):
    for options in ({}, {"search_radius": 2}):
        layer = NonLocalBlock2d(8, mode=mode, zero_init=False, **options).eval()
        x = image(2, 8, 6, 7)
        with torch.autocast("cpu", dtype):
            z, nl_map = layer(x, return_nl_map=True)
        assert z.dtype == nl_map.dtype == torch.float32
        z.sum().backward()
        torch.testing.assert_close(z, layer(x), rtol=0.05, atol=0.05)
        assert copy.deepcopy(layer).to(dtype)(x.to(dtype)).dtype == dtype


@WHOLE
@pytest.mark.filterwarnings("ignore")
def test_torch_compile(mode):
    layer = NonLocalBlock2d(6, mode=mode, zero_init=False, sub_sample=mode == "dot_product")
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = image(2, 6, 5, 7).requires_grad_()
    (ref,) = torch.autograd.grad(layer(x).square().sum(), x)
    (comp,) = torch.autograd.grad(compiled(x).square().sum(), x)
    torch.testing.assert_close(comp, ref)


@WHOLE
@pytest.mark.filterwarnings("ignore")
def test_torch_export_with_any_batch_and_size(mode):
    layer = NonLocalBlock2d(6, mode=mode, zero_init=False).eval()
    batch, height, width = torch.export.Dim("B"), torch.export.Dim("H", min=2), torch.export.Dim("W", min=2)
    program = torch.export.export(layer, (image(2, 6, 5, 7),), dynamic_shapes=({0: batch, 2: height, 3: width},))
    x = image(3, 6, 8, 6)
    torch.testing.assert_close(program.module()(x), layer(x))


@WHOLE
@pytest.mark.filterwarnings("ignore")
def test_onnx(mode, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer = NonLocalBlock2d(4, mode=mode, zero_init=False).eval()
    x = image(1, 4, 5, 6)
    torch.onnx.export(layer, (x,), dynamo=True, verbose=False).save(tmp_path / "block.onnx")
    session = runtime.InferenceSession(tmp_path / "block.onnx")
    (comp,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(comp), layer(x), rtol=1e-5, atol=1e-5)


def test_states_load_and_disagreements_are_told():
    for mode in MODES:
        layer = NonLocalBlock2d(4, mode=mode, zero_init=False, norm=None)
        buffer = io.BytesIO()
        torch.save(layer.state_dict(), buffer)
        buffer.seek(0)
        other = NonLocalBlock2d(4, mode=mode, norm=None)
        other.load_state_dict(torch.load(buffer, weights_only=True))
        x = image(1, 4, 5, 5)
        assert torch.equal(layer(x), other(x))
    state = NonLocalBlock2d(4).state_dict()
    assert state._metadata[""]["version"] == 1
    with pytest.raises(RuntimeError, match="sub_sampled: saved with sub_sample=False, loaded with True"):
        NonLocalBlock2d(4, sub_sample=True).load_state_dict(state)
    state._metadata[""]["version"] = 2
    with pytest.raises(RuntimeError, match="was saved by a newer version"):
        NonLocalBlock2d(4).load_state_dict(state)


def test_names_and_sizes_of_parameters_are_stable():
    shapes = {name: tuple(p.shape) for name, p in NonLocalBlock2d(8, 3, mode="concatenation").state_dict().items()}
    conv, back, norm = {"weight": (3, 8, 1, 1), "bias": (3,)}, {"weight": (8, 3, 1, 1), "bias": (8,)}, (8,)
    expected = {f"{layer}.{k}": v for layer in ("theta", "phi", "g") for k, v in conv.items()}
    expected |= {f"out.{k}": v for k, v in back.items()}
    expected |= {f"norm.{k}": norm for k in ("weight", "bias", "running_mean", "running_var")}
    expected |= {"norm.num_batches_tracked": (), "sub_sampled": ()}
    expected |= {"w_theta.weight": (1, 3, 1, 1), "w_phi.weight": (1, 3, 1, 1)}
    assert shapes == expected
    # Figures of the MNIST network's two blocks, as AlexHex7's.
    assert [sum(p.numel() for p in NonLocalBlock2d(c).parameters()) for c in (32, 64)] == [2192, 8480]


class Blurred(torch.utils.data.Dataset):
    """Images that a worker makes with a windowed block."""

    def __init__(self):
        torch.manual_seed(0)
        self.layer = NonLocalBlock2d(4, mode="distance", search_radius=2, zero_init=False).eval()

    def __len__(self):
        return 6

    def __getitem__(self, index):
        with torch.no_grad():
            return self.layer(image(1, 4, 8, 8, seed=index))[0]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_data_loader_workers():
    data = Blurred()
    ref = torch.stack([data[k] for k in range(6)])  # the kernels have run here before the workers start
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    loader = torch.utils.data.DataLoader(data, batch_size=3, num_workers=2, multiprocessing_context=method)
    assert torch.equal(torch.cat(list(loader)), ref)


def test_training_in_two_threads_at_once():
    layer = NonLocalBlock2d(4, mode="distance", search_radius=2, zero_init=False)
    state = copy.deepcopy(layer.state_dict())
    results = [None] * 3

    def work(k):
        own = NonLocalBlock2d(4, mode="distance", search_radius=2)
        own.load_state_dict(state)
        own(image(2, 4, 12, 12)).square().mean().backward()
        results[k] = own.theta.weight.grad

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(results[0], r) for r in results)


@pytest.mark.filterwarnings("ignore")
def test_distributed_data_parallel(tmp_path):
    dist = pytest.importorskip("torch.distributed")
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("no gloo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        for mode in MODES:
            net = nn.parallel.DistributedDataParallel(NonLocalBlock2d(4, mode=mode, search_radius=2))
            for batch in (2, 0):
                net(image(batch, 4, 5, 5)).sum().backward()
            assert all(p.grad is not None for p in net.parameters())
    finally:
        dist.destroy_process_group()


@EVERY
def test_nan_in_training_passes_through(mode):
    for options in ({}, {"search_radius": 1}):
        layer = NonLocalBlock2d(4, mode=mode, zero_init=False, norm=None, **options)
        x = image(1, 4, 5, 6)
        x[0, :, 2, 2] = torch.nan
        z = layer(x)
        assert z[0, :, 2, 2].isnan().all()
        z.sum().backward()


@EVERY
def test_empty_batches_and_strided_images(mode):
    layer = NonLocalBlock2d(4, mode=mode, zero_init=False, norm=None)
    assert layer(torch.zeros(0, 4, 5, 6)).shape == (0, 4, 5, 6)
    _, nl_map = layer(torch.zeros(0, 4, 5, 6), return_nl_map=True)
    assert nl_map.shape == (0, 30, 30)
    x = image(2, 4, 5, 6)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(in_channels=0), ValueError, "in_channels must be at least 1; got 0"),
        (dict(in_channels=4.0), TypeError, "in_channels must be a whole number; got 4.0"),
        (dict(inter_channels=0), ValueError, "inter_channels must be at least 1; got 0"),
        (dict(mode="softmax"), ValueError, "mode must be one of 'gaussian', .* got 'softmax'"),
        (dict(mode=None), ValueError, "mode must be one of"),
        (dict(search_radius=-1), ValueError, "search_radius is a radius .* got -1"),
        (dict(search_radius=2.5), TypeError, "search_radius must be a whole number; got 2.5"),
        (dict(search_radius=(1, 2, 3)), ValueError, "one for each of 2 spatial axes"),
        (dict(patch_radius=-1), ValueError, "patch_radius is a radius .* got -1"),
        (dict(sub_sample=True, search_radius=3), ValueError, "no window and no patch; got search_radius=3"),
        (dict(sub_sample=True, patch_radius=1), ValueError, "no window and no patch; got .*patch_radius=1"),
        (dict(sub_sample=1), TypeError, "sub_sample must be True or False; got 1"),
        (dict(norm="layer"), ValueError, "norm must be 'batch' or None; got 'layer'"),
        (dict(use_scale=True, mode="dot_product"), ValueError, "use_scale belongs to .* got the mode 'dot_product'"),
        (dict(backend="triton"), ValueError, "backend must be one of 'auto', .* got 'triton'"),
    ],
)
def test_bad_parameters_state_rule_and_value(arguments, error, words):
    with pytest.raises(error, match=words):
        NonLocalBlock2d(**{"in_channels": 4, **arguments})


def test_bad_images_state_rule_and_value():
    layer = NonLocalBlock2d(4, sub_sample=True)
    with pytest.raises(ValueError, match=r"x must have the shape \(B, 4, H, W\); got shape \(1, 3, 5, 5\)"):
        layer(torch.zeros(1, 3, 5, 5))
    with pytest.raises(ValueError, match=r"x must have the shape \(B, 4, H, W\); got shape \(4, 5, 5\)"):
        layer(torch.zeros(4, 5, 5))
    with pytest.raises(TypeError, match="x must be a torch\\.Tensor; got ndarray"):
        layer(torch.zeros(1, 4, 5, 5).numpy())
    with pytest.raises(ValueError, match=r"sub_sample needs sides of at least \(2, 2\) pixels; got shape"):
        layer(torch.zeros(1, 4, 1, 5))
    assert NonLocalBlock3d(4, sub_sample=True)(torch.zeros(2, 4, 1, 2, 2)).shape == (2, 4, 1, 2, 2)


def test_a_block_prints_what_it_is():
    text = repr(NonLocalBlock2d(8, mode="distance", search_radius=5, patch_radius=1))
    assert "8, 4, mode='distance', search_radius=(5, 5), patch_radius=(1, 1)" in text
