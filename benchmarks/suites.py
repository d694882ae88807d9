"""The suites: which cases, with which methods, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .cases import SPEED, Case
from .competitors import METHODS, Method
from .denoiser_cases import DENOISER
from .denoiser_competitors import DENOISERS
from .learned_cases import LEARNED, QUICK
from .learned_competitors import LEARNED_METHODS


@dataclass(frozen=True)
class Suite:
    """Cases that are run by one command.

    Attributes
    ----------
    name, about : str
        The command, and what it is for.
    cases : tuple of Case
        All of them.
    quick : tuple of Case
        Those that ``--quick`` runs, before they are made small.
    methods : mapping of str to Method
        What the cases' methods are found by.
    rounds : int
        How often each call is timed unless the case or ``--repeat`` says otherwise.
    """

    name: str
    about: str
    cases: tuple[Case, ...]
    quick: tuple[Case, ...]
    methods: Mapping[str, Method]
    rounds: int


SUITES = (
    Suite("speed", "seconds and memory of denoising, beside the peers'", SPEED, SPEED, METHODS, 7),
    Suite("learned", "seconds and memory of the non-local block (needs torch)", LEARNED, QUICK, LEARNED_METHODS, 3),
    Suite("denoiser", "seconds and memory of the learned denoiser (needs torch)", DENOISER, DENOISER, DENOISERS, 5),
)
