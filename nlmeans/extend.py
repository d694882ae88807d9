"""What other packages build on: methods, models of noise and formats, and what these are given and return.

A method is a class with two functions. Everything around it is done for it: arrays, stacks, dask arrays, files by
blocks, masks, maps of σ, types, plan, report, progress and cancelling. It is named by the entry-point group
``nlmeans.methods``, or given as an object:

>>> import numpy as np, nlmeans
>>> from nlmeans.extend import Method, Outcome, Plan
>>> class Mean(Method):
...     name = "mean"
...     options = frozenset({"search_radius"})
...     def decide(self, sample, options, progress=None):
...         radius = max(options.search_radius or (1,))
...         return sample.recipe(self, sample.plan(Plan, options, method="mean", depends=(0, radius, radius)), radius)
...     def run(self, region, recipe, *, threads=None, progress=None):
...         from scipy.ndimage import uniform_filter
...         clean = uniform_filter(region.planes, (1, 1, *[2 * recipe.numbers + 1] * 2))
...         return Outcome(region.restored(region.core.of(clean)))
>>> noisy = np.random.default_rng(0).normal(100, 10, (64, 64))
>>> clean = nlmeans.denoise(noisy, method=Mean(), search_radius=2)
>>> bool(clean.std() < 3)
True

A model of noise is a frozen dataclass that derives from `NoiseModel`, and is given as ``noise=``. A format of files is
named by the entry-point group ``nlmeans.formats``.
"""

from ._axes import Layout
from ._notes import Note
from ._progress import Cancelled, Progress, part, shares_of
from .methods.average import known_nearest as nearest
from .methods.filling import Filling
from .methods.method import Method
from .methods.recipe import Recipe
from .methods.region import Outcome, Region
from .methods.sample import Sample
from .noise.fitted import FittedNoise
from .noise.model import NoiseModel
from .noise.patches import Evidence
from .noise.vst import Stabiliser
from .pairwise.spec import Radii
from .pairwise.tiles import Tile, available_cpus
from .plan.averaging import AveragingPlan
from .plan.options import Options
from .plan.plan import Plan
from .plan.report import Report

__all__ = [
    "AveragingPlan",
    "Cancelled",
    "Evidence",
    "Filling",
    "FittedNoise",
    "Layout",
    "Method",
    "NoiseModel",
    "Note",
    "Options",
    "Outcome",
    "Plan",
    "Progress",
    "Radii",
    "Recipe",
    "Region",
    "Report",
    "Sample",
    "Stabiliser",
    "Tile",
    "available_cpus",
    "nearest",
    "part",
    "shares_of",
]
