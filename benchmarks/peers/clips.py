"""VapourSynth's filters, in the interpreter that NLMEANS_VAPOURSYNTH names: it wants a newer Python than we do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ..harness.cases import PEAK
from ..harness.elsewhere import Asked, Elsewhere
from ..harness.methods import CannotRun, Denoiser
from .equal import Equal
from .plain import Plain

VARIABLE = "NLMEANS_VAPOURSYNTH"
"""Names the interpreter."""
INSTALL = (
    "python3.12 -m venv vs && vs/bin/pip install numpy threadpoolctl vapoursynth==79 vapoursynth-nlm-ispc==4.1 "
    f"vapoursynth-bm3dcpu==2.17 vapoursynth-bm3d==12.0 vapoursynth-vszip && export {VARIABLE}=$PWD/vs/bin/python"
)
BM3DCPU_UNIT = 4 / 3
"""bm3dcpu's sigma counts three quarters."""


@cache
def interpreter(program: str) -> Elsewhere:
    """Return the process of an interpreter, one for all filters."""
    return Elsewhere(program, program)


@dataclass(frozen=True)
class Filter(Denoiser):
    """A filter as its own interpreter calls it, on one grey frame; it is parallel over frames only."""

    function: Callable[..., Any] = print
    options: Mapping[str, Any] = field(default_factory=dict)

    def missing(self) -> str | None:
        """Say why the plugin cannot be used by this interpreter."""
        if reason := super().missing():
            return reason
        import vapoursynth as vs

        names = {plugin.namespace for plugin in vs.core.plugins()}
        return None if self.namespace in names else f"VapourSynth loads no plugin {self.namespace}"

    @property
    def namespace(self) -> str:
        """What VapourSynth calls the plugin."""
        return self.package.removeprefix("vapoursynth-").replace("-", "_")

    def version(self) -> str:
        """Return the plugin's version, and VapourSynth's."""
        from importlib import metadata

        return f"{metadata.version(self.package)}, VapourSynth {metadata.version('vapoursynth')}"

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Frame:  # type: ignore[override]
        """Return the call on a frame that is made beforehand."""
        import vapoursynth as vs

        vs.core.num_threads = threads
        options = {name: value(case, sigma) if callable(value) else value for name, value in self.options.items()}
        return Frame(self.function, sigma, options, clip(image), image.dtype)


@dataclass(frozen=True)
class Frame:
    """A filter of a clip of one frame; its answer is that frame as an array."""

    function: Callable[..., Any]
    sigma: float
    options: Mapping[str, Any]
    source: Any
    dtype: np.dtype[Any]

    def __call__(self) -> np.ndarray:
        """Make the filter, and have its frame: nothing is kept from one call to the next."""
        with self.function(self.source, self.sigma, **self.options).get_frame(0) as frame:
            answer = np.array(frame[0])
        return answer if self.dtype == np.uint8 else answer * np.float32(PEAK)

    def __str__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.function.__name__}(clip, sigma={self.sigma!r}{', ' if words else ''}{words})"


def clip(image: np.ndarray) -> Any:
    """Return a clip of one frame: 8 bits, or floats from 0 to 1."""
    import vapoursynth as vs

    bits = image.dtype == np.uint8
    height, width = image.shape
    kind = vs.GRAY8 if bits else vs.GRAYS
    blank = vs.core.std.BlankClip(width=width, height=height, format=kind, length=1, keep=True)
    frame = blank.get_frame(0).copy()
    np.asarray(frame[0])[:] = image if bits else image / np.float32(PEAK)
    return vs.core.std.ModifyFrame(blank, blank, lambda n, f: frame)


def nlm_ispc(source: Any, sigma: float, a: int, s: int, h: float) -> Any:
    """Return non-local means; ``a`` and ``s`` are the radii of window and patch, h in σ."""
    return source.nlm_ispc.NLMeans(d=0, a=a, s=s, h=h * sigma, wref=1.0)


def bm3dcpu(source: Any, sigma: float, block_step: int, bm_range: int) -> Any:
    """Return both steps of bm3dcpu."""
    options = {"sigma": BM3DCPU_UNIT * sigma, "block_step": block_step, "bm_range": bm_range, "radius": 0}
    return source.bm3dcpu.BM3D(ref=source.bm3dcpu.BM3D(**options), **options)


def bm3d(source: Any, sigma: float, profile: str) -> Any:
    """Return both steps of VapourSynth's BM3D; matrix=0 makes sigma the true one."""
    options = {"sigma": sigma, "profile": profile, "matrix": 0}
    return source.bm3d.Final(ref=source.bm3d.Basic(**options), **options)


@dataclass(frozen=True)
class Away(Denoiser):
    """A filter that another interpreter runs, with the same clock."""

    filter: Filter = field(kw_only=True)

    @property
    def install(self) -> str:
        """The line that makes the interpreter and names it."""
        return INSTALL

    def missing(self) -> str | None:
        """Say why it cannot be used: no interpreter is named, or that one has no such filter."""
        program = os.environ.get(VARIABLE)
        if not program:
            return f"{VARIABLE} names no interpreter with VapourSynth"
        try:
            return interpreter(program).ask("missing", self.filter) or None
        except (OSError, RuntimeError) as error:
            return f"{program}, which {VARIABLE} names, does not answer: {error}"

    def version(self) -> str:
        """Return the version that the interpreter has."""
        text: str = interpreter(os.environ[VARIABLE]).ask("version", self.filter)
        return text

    def threads(self, wanted: int) -> int:
        """Return 1: only frames are filtered in parallel, and there is one."""
        return 1

    def pin(self, threads: int) -> None:
        """Leave the threads of this process alone."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Asked:  # type: ignore[override]
        """Return the call, which the interpreter makes and times."""
        if case.colour or image.ndim != 2:
            raise CannotRun("VapourSynth's filters are measured on grey pictures only")
        return Asked(interpreter(os.environ[VARIABLE]), self.filter, case, (image, sigma, 1))


@dataclass(frozen=True)
class EqualAway(Away, Equal):
    """One that is given radii."""


@dataclass(frozen=True)
class PlainAway(Away, Plain):
    """One that is given σ."""


def radius(case: Any, sigma: float) -> int:
    """Return the case's search radius."""
    return int(case.reach)


def patch(case: Any, sigma: float) -> int:
    """Return the case's patch radius."""
    return int(case.patch_radius)


def filtered(
    kind: type[EqualAway] | type[PlainAway], name: str, package: str, function: Callable[..., Any], note: str,
    enters: tuple[str, ...] = (), dtype: str = "float32", **options: Any,
) -> Any:  # fmt: skip
    """Return the method of a plugin's function."""
    inner = Filter(name, package, "vapoursynth", dtype, function=function, options=options)
    return kind(name, package, "vapoursynth", dtype, note=f"{note}; one thread", enters=enters, filter=inner)


H_ISPC = 0.7
"""h/σ of nlm_ispc: the best multiple of 0.05 at σ = 25 on ten pictures of Train400, for floats and for 8 bits."""
STEPS = {8: 9, 6: 9, 4: 12}
"""bm3dcpu's block steps, each with its search range."""

METHODS: tuple[Away, ...] = (
    *(
        filtered(
            EqualAway, f"nlm-ispc{suffix}", "vapoursynth-nlm-ispc", nlm_ispc, "VapourSynth's", ("grey",), dtype,
            a=radius, s=patch, h=H_ISPC,
        )
        for suffix, dtype in (("", "float32"), ("-uint8", "uint8"))
    ),
    *(
        filtered(
            PlainAway, f"bm3dcpu-step{step}", "vapoursynth-bm3dcpu", bm3dcpu, "VapourSynth's, both steps", ("grey",),
            block_step=step, bm_range=reach,
        )
        for step, reach in STEPS.items()
    ),
    filtered(
        PlainAway, "vapoursynth-bm3d", "vapoursynth-bm3d", bm3d, "both steps, profile fast", ("grey",), profile="fast"
    ),
)  # fmt: skip
