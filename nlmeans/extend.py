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

An image that is more than an array, of a class of yours, is opened by a function that the entry-point group
``nlmeans.containers`` names: it returns a `Container`, best made by `within`, or None for what is not its own.

A model of noise is a frozen dataclass that derives from `NoiseModel`, and is given as ``noise=``. A format of files is
named by the entry-point group ``nlmeans.formats``.

Arguments are refused in the same words everywhere (`choice`, `flag`, `integer`, `real`). Long work has `available_cpus`
threads, reports to a ``progress`` some times a second, every `TICK` seconds, to that of a `part` where it is one, and
is `Cancelled` on demand.
"""

# The names, and where they come from, stand in extend.pyi: each is imported when it is used.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("nlmeans", __file__)
