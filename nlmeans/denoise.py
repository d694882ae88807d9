"""denoise(): check, plan, run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks
from ._progress import Progress, bar, part
from .pairwise.spec import Centre
from .plan import Options, Plan, as_float, make, saturation, table


@dataclass(frozen=True)
class Report:
    """What `denoise` did.

    Attributes
    ----------
    plans : tuple of Plan
        The parameters, one plan for each separate image (one, unless there is an axis N).
    seconds : float
        Wall time of the whole call.
    threads : int
        Threads that were used at most.
    """

    plans: tuple[Plan, ...]
    seconds: float
    threads: int

    @property
    def plan(self) -> Plan:
        """The plan, of the first image where there are several."""
        return self.plans[0]

    @property
    def sigma(self) -> tuple[float, ...]:
        """The first plan's σ, one a channel."""
        return self.plan.sigma

    @property
    def correlated(self) -> bool:
        """Whether spatially correlated noise was noticed in any image."""
        return any(plan.correlated for plan in self.plans)

    def __str__(self) -> str:
        rows = self.plan.rows()
        if len(self.plans) > 1:
            rows.append(("images", f"{len(self.plans)} (above: the first one's plan)"))
        return table([*rows, ("threads", str(self.threads)), ("seconds", f"{self.seconds:.3g}")])


def denoise(
    image: Any,
    sigma: Any = None,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    strength: float | None = None,
    patch_radius: Any = None,
    search_radius: Any = None,
    bias: bool = True,
    centre: Centre | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
    out: np.ndarray | None = None,
    full_output: bool = False,
) -> Any:
    """Remove noise from an image by non-local means.

    Every pixel becomes a weighted average of the pixels in a window around it, and the weight says how alike their
    surroundings are: for patches P of the two pixels that differ by d² in the mean square,
    w = exp(−max(d² − 2σ², 0) / h²) with h = strength · σ.

    Parameters
    ----------
    image : array_like
        A grey or multichannel image, a volume, a video or a stack of separate images; int8, int16, int32, their
        unsigned kin, float16, float32 or float64; all pixels finite. It is never written.
    sigma : float or sequence of float, optional
        Standard deviation of the noise in the image's units, one for all channels or one a channel. Estimated from
        the image by default (`estimate_sigma`). 0 returns a copy.
    axes : str, optional
        The array's axes: ``"YX"``, ``"YXC"``, ``"ZYX"``, ``"TYX"``, ``"NYX"`` for separate images, and so on. By
        default all axes but ``channel_axis`` are space.
    channel_axis : int, optional
        The axis of colours or other channels; short for ``axes``. An array whose first or last axis is short needs
        this or ``axes``: a colour photograph must not be taken for a thin volume.
    strength : float, optional
        h/σ: larger smooths more. Rule of thumb: 0.4 to 0.8; by default chosen by `plan`.
    patch_radius, search_radius : int or sequence of int, optional
        Half-widths in pixels of the patches that are compared and of the window that is averaged, for all spatial
        axes or one each. By default chosen by `plan`. A search radius beyond the image is capped to it.
    bias : bool, default True
        Take 2σ², the distance that noise alone makes, from d²; False gives the plain exp(−d²/h²).
    centre : {"max", "one", "zero"}, optional
        Weight of the pixel itself: the largest of the others (default), 1, or 0.
    threads : int, optional
        Threads to use; by default the CPUs that this process may use. The result does not depend on it.
    progress : bool or callable, optional
        True shows a bar on standard error; a function is called as ``progress(done, total)``, and stops the work if
        it raises.
    out : ndarray, optional
        Where to write the result: shape and dtype of the image, no memory shared with it.
    full_output : bool, default False
        Return a `Report` too.

    Returns
    -------
    ndarray
        Shape and dtype of the image; integers are rounded and clipped to the type's range.
    Report
        If ``full_output``: what was done, printable as a small table.

    Raises
    ------
    TypeError
        For a dtype or an argument of a type that cannot be meant.
    ValueError
        For a value that breaks a rule: the message states both.

    See Also
    --------
    plan : the parameters that would be chosen, without the work.
    estimate_sigma : the noise alone.

    Notes
    -----
    Time is proportional to pixels · window · channels; the patch costs nothing extra within a plane. Computed in
    float32, in float64 for float64 and 32-bit integers. A weight below 2⁻³² counts as none.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005,
    doi:10.1109/CVPR.2005.38; "Non-Local Means Denoising", IPOL 2011, doi:10.5201/ipol.2011.bcm_nlm (bias, centre).

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64)).astype("float32")
    >>> clean = nlmeans.denoise(noisy, sigma=10)
    >>> bool(clean.std() < 0.3 * noisy.std())
    True
    """
    from .pairwise.tiles import available_cpus  # brings Numba, which `import nlmeans` does not

    start = time.perf_counter()
    array = _checks.image(image)
    options = Options.check(array, sigma, axes, channel_axis, strength, patch_radius, search_radius, bias, centre)
    workers = _checks.threads(threads) or available_cpus()
    result = _checks.output(out, array)
    report_progress = _checks.progress(progress)
    if result is None:
        result = np.empty(array.shape, array.dtype)

    sources, targets = options.layout.planes(array), options.layout.planes(result)
    plans = []
    with bar(report_progress) as tell:
        for k, (source, target) in enumerate(zip(sources, targets, strict=True)):
            values = as_float(source)
            plan = make(values, options, saturation(array.dtype))
            plans.append(plan)
            _denoise_planes(values, target, source, plan, workers, part(tell, k, len(sources)))
    if not full_output:
        return result
    return result, Report(tuple(plans), time.perf_counter() - start, workers)


def _denoise_planes(
    values: np.ndarray, target: np.ndarray, source: np.ndarray, plan: Plan, threads: int, progress: Progress | None
) -> None:
    from .pairwise.run import pairwise_average

    if not any(plan.sigma):
        target[...] = source
        return
    # A channel without noise is held against a pair as strictly as the least noisy one that has some.
    least = min(s for s in plan.sigma if s > 0)
    gains = [1 / (s or least) for s in plan.sigma]
    direct = target.dtype == values.dtype and target.dtype.isnative and target.flags.c_contiguous
    averages = pairwise_average(
        values, values, plan.spec, gains=gains, threads=threads, progress=progress, out=target if direct else None
    )
    for channel, sigma in enumerate(plan.sigma):
        if sigma == 0:
            averages[channel] = values[channel]
    if direct:
        return
    if target.dtype.kind != "f":
        info = np.iinfo(target.dtype)
        np.clip(np.rint(averages, out=averages), info.min, info.max, out=averages)
    target[...] = averages
