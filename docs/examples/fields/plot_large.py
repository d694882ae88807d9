"""
Big data: Zarr, dask, and no seams
==================================

An image that does not fit into memory is denoised block by block. Done naively, each block has its own noise estimate
and its own border, and seams appear. Here both are taken care of: noise and parameters are decided once, from a sample,
and each block is read with as much of its surroundings as it depends on.
"""

# %%
# A large image in Zarr
# ---------------------
# For the gallery it is small; nothing in the calls depends on that.

import tempfile
from pathlib import Path

import dask.array
import matplotlib.pyplot as plt
import numpy as np
import zarr
from skimage.data import brick, gravel

import nlmeans

truth = np.vstack([brick(), gravel()])[:, :384].astype("float32") * 16
noisy = np.rint(truth + np.random.default_rng(0).normal(0, 400, truth.shape)).clip(0).astype("uint16")

folder = tempfile.TemporaryDirectory()
source, target = Path(folder.name, "scan.zarr"), Path(folder.name, "clean.zarr")
stored = zarr.create_array(source, shape=noisy.shape, chunks=(128, 128), dtype=noisy.dtype)
stored[:] = noisy

# %%
# From file to file
# -----------------
# ``max_memory`` bounds what is held at once. A run that is interrupted goes on where it stopped. The same on the
# command line: ``nlmeans denoise scan.zarr clean.zarr --max-memory 4G``.

report = nlmeans.large.denoise(source, target, max_memory=4e9)
by_blocks = zarr.open_array(target)[:]
print(report.plan)

# %%
# Lazily, with dask
# -----------------
# A dask array gives a dask array, computed when it is needed, chunk by chunk.

lazy = nlmeans.denoise(dask.array.from_zarr(source))
print(lazy)
corner = lazy[100:160, 100:160].compute()  # computes only the chunks around

# %%
# Are there seams?
# ----------------
# Compared with the whole image in memory, the result is the same up to rounding. ``map_blocks`` without surroundings
# differs wherever a block ends, and each of its blocks has estimated its own noise.

whole = nlmeans.denoise(noisy)
naive = dask.array.from_zarr(source).map_blocks(nlmeans.denoise, dtype=noisy.dtype).compute()
for name, image in {"from file to file": by_blocks, "map_blocks": naive}.items():
    difference = np.abs(image.astype(int) - whole)
    print(f"{name:18} differs from the whole by at most {difference.max()}, by {difference.mean():.3f} on average")
print("dask:", "at most", np.abs(corner.astype(int) - whole[100:160, 100:160]).max())

fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
part = (slice(300, 556), slice(64, 320))
for ax, (name, image) in zip(
    axes, {"before": noisy, "after, by blocks": by_blocks, "without noise": truth}.items(), strict=True
):
    ax.imshow(image[part], cmap="gray", vmin=0, vmax=4096)
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

fig, axes = plt.subplots(1, 2, figsize=(10, 5.2), layout="constrained")
for ax, (name, image) in zip(
    axes, {"blocks by nlmeans": by_blocks, "blocks by map_blocks": naive}.items(), strict=True
):
    shown = ax.imshow(np.abs(image.astype(int) - whole)[part], cmap="magma", vmin=0, vmax=200)
    ax.set(title=f"{name}: difference from the whole", xticks=[], yticks=[])
fig.colorbar(shown, ax=axes, shrink=0.8)
plt.show()

folder.cleanup()
