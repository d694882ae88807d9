"""Method: the protocol of every way to denoise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from ..plan.plan import Plan
from ..plan.report import Report

if TYPE_CHECKING:
    from .._progress import Progress
    from ..pairwise.spec import Radii
    from ..plan.options import Options
    from .recipe import Recipe
    from .region import Outcome, Region
    from .sample import Sample

    AnyMethod: TypeAlias = "str | Method | type[Method]"  # a name, an object, or its class


class Method(ABC):
    """A way to denoise: it decides once for an image, and runs on any region of it.

    A method that has these two functions takes arrays, stacks, dask arrays and files by blocks, masks and maps of σ,
    and has a plan, a report, progress and cancelling: the package does all of that around it. Instances are sent to
    other processes, so they hold nothing that cannot be pickled.

    Attributes
    ----------
    name : str
        Its name in ``method=``.
    options : frozenset of str
        Options of `nlmeans.denoise` that it honours besides those of all methods (noise, axes, which pixels count,
        quality, threads and the like). Others are refused. "maps" stands for weights: it makes
        maps of its own with ``full_output="maps"``, and has a `weight_map`.
    qualities : tuple of str
        The qualities that it has; "preview" has to be named.
    whole : str or None
        Why it cannot run by regions, as half a sentence; None where it can. Dask arrays and files by blocks are then
        refused with these words.
    plan, report : type
        The classes of its plans and reports.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> from nlmeans.extend import Method, Outcome, Plan
    >>> class Rows(Method):
    ...     name = "rows"
    ...     def decide(self, sample, options, progress=None):
    ...         return sample.recipe(self, sample.plan(Plan, options, method="mean of three rows", depends=(0, 1, 0)))
    ...     def run(self, region, recipe, *, threads=None, progress=None):
    ...         around = np.pad(region.planes, [(0, 0), (0, 0), (1, 1), (0, 0)], mode="edge")
    ...         clean = (around[:, :, :-2] + around[:, :, 1:-1] + around[:, :, 2:]) / 3
    ...         return Outcome(region.restored(region.core.of(clean)))
    >>> nlmeans.denoise([[1.0, 2], [4, 8], [7, 8]], sigma=1, method=Rows()).tolist()
    [[2.0, 4.0], [4.0, 6.0], [6.0, 8.0]]
    """

    name: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset()
    qualities: ClassVar[tuple[str, ...]] = ("fast", "balanced", "best")
    whole: ClassVar[str | None] = None
    plan: ClassVar[type[Plan]] = Plan
    report: ClassVar[type[Report]] = Report

    @abstractmethod
    def decide(self, sample: Sample, options: Options, progress: Progress | None = None) -> Recipe:
        """Decide for a whole image, from all of it or from a sample.

        Parameters
        ----------
        sample : Sample
            The image, or what a large one is judged by, and its noise.
        options : Options
            The caller's options; None where the choice is left to the method.
        progress : callable, optional
            Called as in `run` while the decision takes time.

        Returns
        -------
        Recipe
            As `Sample.recipe` makes it: with the plan, which knows the halo, and numbers of the method's own.

        Raises
        ------
        ValueError
            For an image or an option that the method does not support.
        """

    @abstractmethod
    def run(
        self, region: Region, recipe: Recipe, *, threads: int | None = None, progress: Progress | None = None
    ) -> Outcome:
        """Denoise a region.

        Parameters
        ----------
        region : Region
            Planes with Gaussian noise, NaN where pixels are missing, and their surroundings.
        recipe : Recipe
            The result of `decide` for the image.
        threads : int, optional
            Threads to use; the result must not depend on it.
        progress : callable, optional
            Called as ``progress(done, total)`` from time to time; it stops the work by raising.

        Returns
        -------
        Outcome
            The region's core in the image's units (`Region.restored`).
        """

    def scratch(self, sides: Radii) -> int:
        """Return how many bytes it takes for a region of these sides, besides those of NumPy's arrays."""
        return 0

    def threads(self, available: int) -> int:
        """Return how many of the available threads it uses."""
        return available
