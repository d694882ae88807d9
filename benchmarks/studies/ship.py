"""Put trained weights of the denoiser into the package: ``python -m benchmarks ship FILE --data DIR``.

The network is measured on the test sets, σ known, with its weights as they are and rounded to float16; these are
shipped if the mean PSNR of no set moves by 0.005 dB. The figures of every picture go into the file's notes, with where
the data came from and the licence.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.metrics import clipped_psnr
from ..harness.sets import SIGMAS, standard

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nonlocal_block import NonLocalDenoiser
    from nonlocal_block.mixer import Mixer

SETS = {1: ("Set12", "BSD68"), 3: ("Kodak24",)}
MOVED = 0.005
NOTES = {
    "licence": "BSD-3-Clause, as nlmeans. The training pictures are from the Berkeley Segmentation Dataset, which its "
    "authors offer for non-commercial research and education; no picture is contained in the weights.",
    "noise": "white, Gaussian, not clipped, sigma from 0 to 75 of 255",
}
BERKELEY = "400 pictures of BSDS500 (CBSD400), none of them in BSD68; D. Martin et al., ICCV 2001"
PICTURES = {
    1: BERKELEY,
    3: f"{BERKELEY}; as they are, and at half their size, where colours are as sharp as luma; 62 photographs and HDR "
    "pictures of free licences; and, at half their size, the 91 of T91 (J. Yang et al., IEEE TIP 2010)",
}
"""What `nonlocal_block.train` learns from, by channels."""

Figures = dict[str, dict[str, float]]
"""PSNR by set and σ, then by picture."""
Denoise = Callable[["Tensor", float], "Tensor"]
"""Denoises pictures (B, C, H, W) of a σ, black to white being 1."""


def measure(network: NonLocalDenoiser | Mixer, data: Path) -> Figures:
    """Return what a network reaches on every picture of the test sets, with the package's others if it needs them.

    One for differences is guided by the mean that the large network for grey images makes; a mixer has the results of
    the large networks and of ridge.
    """
    return {
        f"{name} σ={sigma}": reached(_whole(network, channels), standard(data / name, sigma), sigma)
        for channels in _channels(network)
        for name in SETS[channels]
        for sigma in SIGMAS
    }


def _whole(network: NonLocalDenoiser | Mixer, channels: int) -> Denoise:
    """Return what denoises pictures of so many channels with this network, and others of the package."""
    from nonlocal_block import ColourDenoiser, NonLocalDenoiser, load_denoiser
    from nonlocal_block.train.mixer import mixed
    from nonlocal_block.trained import Choice

    if isinstance(network, NonLocalDenoiser):
        return ColourDenoiser(load_denoiser()[0], network) if network.guides else network
    first = Choice(channels).load()
    return lambda pictures, sigma: mixed(network, first, pictures, sigma)


def _channels(network: NonLocalDenoiser | Mixer) -> tuple[int, ...]:
    """Return the channels of the pictures that a network takes part in denoising."""
    from nonlocal_block import NonLocalDenoiser

    if isinstance(network, NonLocalDenoiser):
        return (3,) if network.guides else (network.channels,)
    return 1, 3


def reached(network: Denoise, pictures: Iterable[tuple[str, np.ndarray, np.ndarray]], sigma: float) -> dict[str, float]:
    """Return the PSNR of every picture by its name; they come with name, noisy and clean, black to white being 255."""
    import torch

    each = {}
    for name, noisy, clean in pictures:
        planes = torch.from_numpy(np.atleast_3d(noisy).transpose(2, 0, 1).copy())[None]
        with torch.inference_mode():
            result = network(planes / 255, sigma / 255)[0].numpy().transpose(1, 2, 0) * 255
        each[name] = round(clipped_psnr(result.reshape(clean.shape), clean), 4)
    return each


def means(figures: Figures) -> dict[str, float]:
    """Return the mean over the pictures of each set."""
    return {name: round(statistics.fmean(each.values()), 4) for name, each in figures.items()}


def main(arguments: list[str] | None = None) -> int:
    """Measure, choose the precision, and ship."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ship", description=__doc__)
    parser.add_argument("file", type=Path, help="weights of python -m nonlocal_block.train denoiser, or mixer")
    parser.add_argument("--mixer", action="store_true", help="the file is a mixer's")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12 and BSD68, or Kodak24")
    parser.add_argument(
        "--after", type=Path, nargs="*", default=[], metavar="FILE",
        help="weights of the runs that this one began with, the first one first: their notes come along",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="measure only")
    options = parser.parse_args(arguments)
    from nonlocal_block import NonLocalDenoiser, weights
    from nonlocal_block.denoiser import FAST
    from nonlocal_block.mixer import Mixer
    from nonlocal_block.trained import CHECKPOINTS, MIXER

    kind: Callable[..., nn.Module] = Mixer if options.mixer else NonLocalDenoiser
    given, state, _ = weights.load(options.file, kind.__name__)
    earlier = [weights.load(path, kind.__name__)[2] for path in options.after]
    small, guides = FAST.items() <= given.items(), given.get("guides", 0)
    target = MIXER if options.mixer else CHECKPOINTS.get((small, guides)) if given["channels"] == 1 else None
    if target is None:
        parser.error(f"{options.file} must hold one of the package's networks; got {given}")
    network: Any = weights.assembled(kind, given, state, options.file)
    figures = measure(network, options.data)
    network.load_state_dict({name: tensor.half().float() for name, tensor in state.items()})
    rounded = measure(network, options.data)
    exact, half = means(figures), means(rounded)
    for name in exact:
        print(f"{name:<14} float32 {exact[name]:.4f} dB, float16 {half[name]:.4f} dB")
    rounds = all(abs(half[name] - exact[name]) < MOVED for name in exact)
    print(f"float16 {'moves no mean by' if rounds else 'moves a mean by at least'} {MOVED} dB")
    if options.dry_run:
        return 0
    chosen = rounded if rounds else figures
    notes = {
        **NOTES, "pictures": PICTURES[max(_channels(network))], "earlier": earlier, "test_means": means(chosen),
        "test": chosen,
    }  # fmt: skip
    print(weights.ship(target, options.file, kind.__name__, half=rounds, notes=notes))
    return 0
