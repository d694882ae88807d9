"""Small networks that stand in for those that are shipped, and what they are tried on."""

import numpy as np
import torch

from nonlocal_block import method, trained
from nonlocal_block.denoiser import NonLocalDenoiser
from nonlocal_block.mixer import Mixer

shipped, shipped_mixer = trained._network, method._mixer


def noisy(shape=(40, 52), seed=0):
    """Return grooves and an edge with noise of σ = 10."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = 120 + 60 * np.sin(x / 6) + 40 * (y > 20)
    return (picture + rng.normal(0, 10, shape)).astype(np.float32)


def lively(channels, fast=False, guides=0):
    """Return a small network that changes what it sees; the one in place of a fast network sees less far."""
    torch.manual_seed(channels + 10 * guides)
    net = NonLocalDenoiser(
        channels, widths=(16, 16, 16), blocks=(1, 1, 1 - fast), last=1, search_radius=2, guides=guides
    )
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 4 and not parameter.any():
                parameter.normal_(0, 0.02)
    return net.eval()


def lively_mixer():
    """Return a mixer whose shares differ."""
    torch.manual_seed(5)
    mixer = Mixer(8)
    torch.nn.init.normal_(mixer.head.weight, std=0.3)
    return mixer.eval()


def install(monkeypatch):
    """Put small networks in place of those that are shipped."""
    mixer = lively_mixer()
    monkeypatch.setattr(method, "_mixer", lambda _: mixer)
    nets = {name: lively(1, *kind) for kind, name in trained.CHECKPOINTS.items()}
    monkeypatch.setattr(trained, "_network", lambda name: (nets[name], {}))
    monkeypatch.setattr(method, "_loaded", lambda channels, _, quality: trained.CHOICES[quality][channels].load())
    monkeypatch.setattr(method.weights, "digest", lambda name: "0123456789")


def uninstall(monkeypatch):
    """Put those that are shipped back."""
    monkeypatch.setattr(trained, "_network", shipped)
    monkeypatch.setattr(method, "_mixer", shipped_mixer)
