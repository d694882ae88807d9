"""
Weights: what one pixel is made of
==================================

The article that introduced non-local means (Buades, Coll and Morel, 2005, its figure 2) shows which pixels are averaged
for one pixel: along an edge those on the edge, in a texture those in the same place of it, in a flat area all.
``weight_map`` draws that figure for any pixel of any picture.
"""

# %%
# Four pixels
# -----------

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski

import nlmeans

camera, brick = ski.data.camera().astype(float), ski.data.brick().astype(float)
page = ski.data.page().astype(float)
sigma = 15
places = {
    "a flat area": (camera[40:120, 300:380], (40, 40)),
    "an edge": (camera[70:150, 102:182], (43, 40)),
    "a joint of bricks": (brick[:80, 170:250], (40, 49)),
    "a letter": (page[52:132, 100:180], (40, 40)),
}
rng = np.random.default_rng(0)
noisy = {name: picture + rng.normal(0, sigma, picture.shape) for name, (picture, _) in places.items()}

# %%
# The weights sum to 1. How many pixels take part is (Σ w)² / Σ w²: as many, equally weighted, would remove as much
# noise.

fig, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="constrained")
for (above, below), (name, (_, at)) in zip(axes.T, places.items(), strict=True):
    weights = nlmeans.weight_map(noisy[name], at, sigma=sigma, quality="fast", search_radius=30)
    count = 1 / np.sum(weights**2)
    print(f"{name:18} {np.sum(weights > 0):5d} pixels with a weight, as good as {count:6.1f} equal ones")
    above.imshow(noisy[name], cmap="gray", vmin=0, vmax=255)
    above.plot(*at[::-1], "s", color="C1", fillstyle="none", markersize=12)
    above.set(title=name, xticks=[], yticks=[])
    below.imshow(weights, cmap="magma", vmin=0, vmax=np.quantile(weights[weights > 0], 0.99))
    below.set(xlabel=f"{count:.0f} pixels", xticks=[], yticks=[])
plt.show()

# %%
# How much was averaged, everywhere
# ---------------------------------
# ``full_output="maps"`` gives that number for each pixel, and the noise that is left there.

picture = camera[60:220, 130:290]
image = picture + np.random.default_rng(1).normal(0, sigma, picture.shape)
clean, report = nlmeans.denoise(image, sigma=sigma, quality="fast", full_output="maps")
maps = report.maps
print(
    f"pixels averaged: {maps.effective.min():.0f} to {maps.effective.max():.0f}, median {np.median(maps.effective):.0f}"
)
print(f"noise left: {np.sqrt(np.mean(maps.residual**2)):.1f} of {sigma}; error in all {(clean - picture).std():.1f}")

fig, axes = plt.subplots(1, 3, figsize=(10, 3.3), layout="constrained")
axes[0].imshow(clean, cmap="gray", vmin=0, vmax=255)
axes[0].set(title="after", xticks=[], yticks=[])
for ax, title, values, white in (
    (axes[1], "pixels averaged", maps.effective, None),
    (axes[2], "noise left", maps.residual, sigma),
):
    shown = ax.imshow(values, cmap="magma", vmin=0, vmax=white)
    ax.set(title=title, xticks=[], yticks=[])
    fig.colorbar(shown, ax=ax, shrink=0.85)
plt.show()

# %%
# The difference between the last two numbers is detail that was lost. It can be seen in the residual, at edges and in
# the hair; where little was averaged, the residual is fainter, and noise is left.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow(image - clean, cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
left.set(title="residual", xticks=[], yticks=[])
row = 60
right.plot(image[row], color="0.7", label="before")
right.plot(clean[row], color="C0", label="after")
right.plot(picture[row], "--", color="black", linewidth=1, label="without noise")
right.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="grey levels")
right.margins(x=0)
right.legend(ncols=3)
plt.show()
