"""The suites: which cases, with which methods, how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..peers.blocks import LEARNED_METHODS
from ..peers.equal import METHODS, Method
from ..peers.layers import REACHING
from ..peers.own import DENOISERS, RADII
from ..suites.denoiser import DENOISER
from ..suites.locality import REACH
from ..suites.quality import quality, radius, real
from ..suites.scaling import QUICK as SCALING_QUICK
from ..suites.scaling import SCALING
from .cases import SPEED, Case
from .tensors import LEARNED
from .tensors import QUICK as LEARNED_QUICK

Build = Callable[[Path | None, Sequence[float] | None], tuple[Case, ...]]
"""Returns the cases for a folder of standard sets, or those that need none, and for noise levels, or the usual ones."""


@dataclass(frozen=True)
class Suite:
    """Cases that are run by one command.

    Attributes
    ----------
    name, about : str
        The command, and what it is for.
    build : callable
        Its cases.
    methods : mapping of str to Method
        What the cases' methods are found by.
    rounds : int
        How often each call is timed unless the case or ``--repeat`` says otherwise.
    quick : tuple of Case or None
        Those that a quick run measures, before they are made small; None for all.
    sets : tuple of str
        Folders that ``--data`` may hold for it.
    noisy : bool
        Whether noise levels can be asked for.
    """

    name: str
    about: str
    build: Build
    methods: Mapping[str, Method]
    rounds: int = 1
    quick: tuple[Case, ...] | None = None
    sets: tuple[str, ...] = ()
    noisy: bool = False

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases that need nothing but what comes along."""
        return self.build(None, None)

    def small(self, data: Path | None, sigmas: Sequence[float] | None) -> tuple[Case, ...]:
        """Return the cases of a quick run."""
        cases = self.build(data, sigmas) if self.quick is None else self.quick
        return tuple(case.quick() for case in cases)


def fixed(cases: tuple[Case, ...]) -> Build:
    """Return what builds the same cases always."""
    return lambda data, sigmas: cases


def local(data: Path | None, sigmas: Sequence[float] | None) -> tuple[Case, ...]:
    """Return how layers reach, and how far non-local means has to search."""
    methods = (*RADII, "gaussian-blur", "median-filter")
    return (*REACH, *(radius(source, methods) for source in ("camera", "brick")))


SUITES = (
    Suite(
        "quality", "dB and SSIM of denoising, classical, learned and the peers'", quality, DENOISERS,
        rounds=3, sets=("Set12", "BSD68", "Kodak24"), noisy=True,
    ),
    Suite(
        "real", "the same on noise of cameras, microscopes and JPEG", real, DENOISERS, rounds=3,
        sets=("PolyU", "FMD", "Kodak24")
    ),
    Suite("speed", "seconds and memory of denoising, beside the peers'", fixed(SPEED), METHODS, rounds=7),
    Suite("denoiser", "seconds and memory of the learned denoiser (needs torch)", fixed(DENOISER), DENOISERS, rounds=5),
    Suite(
        "scaling", "how seconds and memory grow with pixels, window, patch, threads, channels, dimensions",
        fixed(SCALING), {**METHODS, "learned": DENOISERS["learned"]}, rounds=3, quick=SCALING_QUICK,
    ),
    Suite(
        "learned", "seconds and memory of the non-local block (needs torch)", fixed(LEARNED), LEARNED_METHODS,
        rounds=3, quick=LEARNED_QUICK,
    ),
    Suite(
        "locality", "how far layers, a block and non-local means look, and what that is worth", local,
        {**REACHING, **RADII, **{name: DENOISERS[name] for name in ("gaussian-blur", "median-filter")}}, rounds=5,
    ),
)  # fmt: skip
