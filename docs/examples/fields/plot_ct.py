"""
CT: a volume, and noise that neighbours share
=============================================

Filtered back projection passes the noise of the projections through a ramp filter. What arrives in the slices is not
white: it has hardly any power at low frequencies and much at high ones. The library measures that. And a volume has
more to average than a slice.
"""

# %%
# A porous stone, scanned with few photons
# ----------------------------------------
# Twelve slices of a random two-phase material are projected, each ray counts photons, and the slices are reconstructed
# from the counts.

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import binary_blobs
from skimage.filters import threshold_otsu
from skimage.transform import iradon, radon

import nlmeans

size, slices = 96, 12
y, x = np.mgrid[:size, :size] - (size - 1) / 2
inside = np.hypot(y, x) < size / 2 - 2
stone = binary_blobs(size, 0.12, 3, volume_fraction=0.65, rng=1)[:slices] & inside
attenuation = 0.02 * stone  # per pixel

rng = np.random.default_rng(0)
angles = np.linspace(0, 180, 96, endpoint=False)
photons = 400
volume = np.empty(attenuation.shape, "float32")
ideal = np.empty_like(volume)
for k, section in enumerate(attenuation):
    projections = radon(section, angles)
    counts = np.maximum(rng.poisson(photons * np.exp(-projections)), 1)
    volume[k] = iradon(-np.log(counts / photons), angles)
    ideal[k] = iradon(projections, angles)

# %%
# The noise is not white
# ----------------------
# ``report.correlated`` says whether the noise was taken to be shared by neighbouring pixels. Outside the circle that
# the scanner sees, the slices are exactly 0. That is no part of the picture and must be said, ``nodata=0`` or
# ``mask=``: where a flat area touches noise of this kind, the estimate is far too small.

kinds = {
    "circle not declared": {"axes": "ZYX"},
    "slice by slice": {"axes": "NYX", "nodata": 0},
    "as a volume": {"axes": "ZYX", "nodata": 0},
    "ridge": {"axes": "ZYX", "nodata": 0, "method": "ridge"},
}
results = {}
for name, options in kinds.items():
    results[name], report = nlmeans.denoise(volume, full_output=True, **options)
    print(f"{name:20} sigma {report.sigma[0]:.5f}, correlated: {report.correlated}")
print(f"{'in truth':20} sigma {(volume - ideal)[:, inside].std():.5f}")

# %%
# How good is a segmentation?
# ---------------------------
# The question is often: where is stone, and where is a pore? Otsu's threshold decides, and we count the voxels that it
# gets wrong.


def wrong(image):
    return np.mean((image > threshold_otsu(image[:, inside]))[:, inside] != stone[:, inside])


def psnr(image):
    return 10 * np.log10(0.02**2 / np.mean((image - ideal)[:, inside] ** 2))


for name, image in {"before": volume, **results}.items():
    print(f"{name:20}{psnr(image):6.2f} dB, {100 * wrong(image):5.2f} % of the voxels wrong")
print(f"{'without noise':29}, {100 * wrong(ideal):5.2f} % of the voxels wrong")

clean = results["as a volume"]
middle = slices // 2
fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, (title, image) in zip(axes, {"before": volume, "after": clean, "without noise": ideal}.items(), strict=True):
    ax.imshow(image[middle], cmap="gray", vmin=-0.01, vmax=0.03)
    ax.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# The residual shows no pores and no edges.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow(volume[middle] - clean[middle], cmap="gray", vmin=-0.015, vmax=0.015)
left.set(title="residual", xticks=[], yticks=[])
row = size // 2
right.plot(volume[middle, row], color="0.7", label="before")
right.plot(clean[middle, row], color="C0", label="after")
right.plot(ideal[middle, row], "--", color="black", linewidth=1, label="without noise")
right.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="attenuation per pixel")
right.margins(x=0)
right.legend(ncols=3, loc="upper right")
plt.show()
