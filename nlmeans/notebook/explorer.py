"""explore(): an image, what was chosen for it, and what comes of that."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .. import _checks
from ..denoise import denoise
from .preview import Previews
from .settings import Settings

if TYPE_CHECKING:
    from .._progress import Progress
    from .._typing import Event, ImageLike
    from ..noise.model import NoiseModel
    from ..plan.defaults import Quality
    from ..plan.report import Report
    from .panel import Panel

SMALLEST = 16
"""Least side of the part that is previewed."""


class Done(NamedTuple):
    """The whole image, denoised."""

    settings: Settings
    result: Any
    report: Report


class Explorer:
    """Controls for one image in a notebook, and what was chosen with them; `explore` makes it.

    Attributes
    ----------
    image : array_like
        The image.
    settings : Settings
        What the controls say.

    Examples
    --------
    >>> import numpy as np
    >>> from nlmeans.notebook import explore
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> tuned = explore(noisy, sigma=10, quality="fast")
    >>> print(tuned.command("noisy.tif", "clean.tif"))
    nlmeans denoise noisy.tif clean.tif --sigma 10.0 --quality fast
    >>> tuned.report.sigma, tuned.result.shape
    ((10.0,), (64, 64))
    """

    def __init__(self, image: ImageLike, settings: Settings, given: dict[str, Any], crop: int) -> None:
        self.image, self.settings = image, settings
        self._given = given
        previews = Previews(image, given)
        previews.check(settings)
        self._lock = threading.Lock()
        self._done: Done | None = None
        from .panel import Panel

        self.panel: Panel = Panel(self, previews, crop)

    def run(self, progress: bool | Progress | None = None, cancel: Event | None = None) -> Done:
        """Denoise the whole image as the controls say, unless that was done already.

        Parameters
        ----------
        progress, cancel
            As for `denoise`.

        Returns
        -------
        Done
            ``settings``, ``result`` and ``report``.

        Raises
        ------
        TypeError, ValueError, Cancelled
            As `denoise`.
        """
        with self._lock:
            settings = self.settings
            if self._done is None or self._done.settings != settings:
                options: Any = self._given | settings.arguments() | {"progress": progress, "cancel": cancel}
                done: Any = denoise(self.image, full_output=True, **options)
                self._done = Done(settings, *done)
            return self._done

    @property
    def result(self) -> Any:
        """The whole image, denoised as the controls say; it is computed where that was not done yet."""
        return self.run().result

    @property
    def report(self) -> Report:
        """The report that belongs to the result."""
        return self.run().report

    def code(self, image: str = "image") -> str:
        """Return the Python lines that do the same.

        Parameters
        ----------
        image : str, default "image"
            What the image is called there.

        Returns
        -------
        str
        """
        return self.settings.code(image, **self._given)

    def command(self, source: str = "IN", target: str = "OUT") -> str:
        """Return the command that does the same with a file of the image.

        Parameters
        ----------
        source, target : str
            The names of the files.

        Returns
        -------
        str
        """
        return self.settings.command(source, target, **self._given)

    def __repr__(self) -> str:
        return f"<nlmeans.explore: {self.code().splitlines()[-1]}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return what Jupyter shows: the controls, which begin to work."""
        self.panel.start()
        return self.panel.box._repr_mimebundle_(**kwargs)


def explore(
    image: ImageLike,
    sigma: float | Sequence[float] | None = None,
    *,
    noise: NoiseModel | Literal["auto"] | None = None,
    method: str | None = None,
    quality: Quality | None = None,
    strength: float | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    crop: int = 256,
) -> Explorer:
    """Choose how to denoise an image by looking at it, in a Jupyter notebook.

    Controls for the noise, the method, the quality and the strength stand over a part of the image: noisy, denoised,
    and what was taken away. It follows the controls; a button denoises the whole image.

    Parameters
    ----------
    image : array_like
        As for `denoise`, in memory. Volumes, videos and stacks have a slider for the slice that is shown.
    sigma, noise, method, quality, strength
        Where the controls begin, as for `denoise`: numbers and names alone, and models of `nlmeans.noise` without maps.
        By default σ is estimated, and shown.
    axes, channel_axis
        As for `denoise`.
    crop : int, default 256
        Longest side in pixels of the part that is previewed, at least 16.

    Returns
    -------
    Explorer
        Shown as the last line of a cell. ``result`` and ``report`` are what `denoise` returns for the whole image,
        ``code()`` and ``command()`` say what does the same without a notebook.

    Raises
    ------
    ImportError
        Without ipywidgets, with the command that installs it.
    TypeError, ValueError
        As `denoise`; for a dask array, and for a crop below 16.

    Notes
    -----
    The noise is fitted to the whole image, and parameters are chosen for all of it. So the part is what it is in the
    whole result, up to rounding, and takes only the time of its pixels and of those around them. A preview that is
    superseded is cancelled.

    See Also
    --------
    denoise : what is called.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
    >>> tuned = nlmeans.explore(noisy, quality="fast")
    >>> print(tuned.code("noisy"))
    import nlmeans
    <BLANKLINE>
    clean = nlmeans.denoise(noisy, quality='fast')
    <BLANKLINE>
    """
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        raise ImportError(
            "explore needs ipywidgets, which is not installed: pip install 'nlmeans[notebook]'", name="ipywidgets"
        ) from None
    if _checks.is_dask(image):
        raise TypeError(f"the image must be in memory; got {_checks.called(image)}: take a part, image[...].compute()")
    side = _checks.integer(crop, "crop")
    if side < SMALLEST:
        raise ValueError(f"crop must be at least {SMALLEST}; got {side}")
    settings = Settings.of(sigma, noise, method=method, quality=quality, strength=strength)
    given = {name: value for name, value in (("axes", axes), ("channel_axis", channel_axis)) if value is not None}
    return Explorer(image, settings, given, side)
