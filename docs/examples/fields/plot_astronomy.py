"""
Astronomy: faint sources in a CCDData
=====================================

An exposure is a count of electrons above a bright sky, with bad columns and cosmic rays that a pipeline has masked. The
mask and the uncertainty travel with the pixels in astropy's ``CCDData``, and ``denoise`` takes and returns one.
"""

# %%
# An exposure
# -----------
# A part of the Hubble Deep Field stands for the sky. An exposure is simulated: 100 electrons of sky in each pixel, a
# read noise of 5, a bad column and some cosmic rays.

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski
from astropy import units
from astropy.nddata import CCDData, StdDevUncertainty
from scipy.ndimage import binary_dilation, gaussian_filter

import nlmeans

field = ski.color.rgb2gray(ski.data.hubble_deep_field()[500:756, 500:756])
stars = 1500 * np.clip(gaussian_filter(field, 1) - 0.045, 0, None)
truth = 100 + stars

rng = np.random.default_rng(0)
electrons = rng.poisson(truth) + rng.normal(0, 5, truth.shape)
bad = np.zeros(truth.shape, bool)
bad[:, 90] = True
electrons[:, 90] = 0
for y, x in rng.integers(0, 250, (25, 2)):  # cosmic rays, along a diagonal
    electrons[range(y, y + 5), range(x, x + 5)] += 2000
    bad[range(y, y + 5), range(x, x + 5)] = True

exposure = CCDData(
    electrons,
    unit=units.electron,
    mask=bad,
    uncertainty=StdDevUncertainty(np.sqrt(electrons.clip(100) + 25)),
)

# %%
# Denoise it
# ----------
# The uncertainty is the noise of each pixel, masked pixels contribute to no other, and the unit stays.

clean, report = nlmeans.denoise(exposure, full_output=True)
ridge = nlmeans.denoise(exposure, method="ridge")
print(type(clean).__name__, clean.unit, "| masked before:", exposure.mask.sum(), "| filled:", report.missing)
print("noise:", report.plan.noise)


def psnr(image):
    return 10 * np.log10(np.ptp(truth) ** 2 / np.mean((np.asarray(image) - truth)[~bad] ** 2))


for name, image in {"before": electrons, "after": clean.data, "ridge": ridge.data}.items():
    print(f"{name:8}{psnr(image):6.2f} dB")

fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
for ax, (name, image) in zip(axes, {"before": electrons, "after": clean.data, "truth": truth}.items(), strict=True):
    ax.imshow(np.arcsinh((image - 100) / 20), cmap="gray", vmin=-1, vmax=4)
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

# %%
# How many faint pixels are detected?
# -----------------------------------
# A threshold is set so that one pixel of empty sky in a thousand lies above it. How many of those that belong to faint
# sources, of 10 to 40 electrons above the sky, are then found? And is their light still right?

sky = ~binary_dilation(stars > 3, iterations=4) & ~bad
faint = (stars > 10) & (stars < 40) & ~bad
smoothed = gaussian_filter(np.where(bad, 100, electrons), 1)
for name, image in {"before": electrons, "blur of 1 pixel": smoothed, "after": clean.data, "ridge": ridge.data}.items():
    threshold = np.quantile(image[sky], 0.999)
    found = np.mean(image[faint] > threshold)
    print(
        f"{name:16} threshold {threshold - 100:5.1f} above the sky, {found:4.0%} of the faint pixels found, "
        f"mean light {image[faint].mean() - 100:.1f}"
    )
print(f"mean light of the faint pixels in truth: {stars[faint].mean():.1f}")

# %%
# A blur as wide as the stars finds nearly as much. And detection is not photometry: averaging takes a tenth of the
# light of such faint pixels. Find sources in the result, and measure their light in the exposure.
#
# Residual and profile
# --------------------
# In units of each pixel's uncertainty. Where a star is nearly alone of its kind, little was averaged, and the
# residual is faint.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
residual = np.where(bad, 0, electrons - clean.data) / exposure.uncertainty.array
left.imshow(residual, cmap="gray", vmin=-3, vmax=3)
left.set(title="residual / uncertainty", xticks=[], yticks=[])
row = np.argmax(np.sum((stars > 20) & (stars < 200), 1))
right.plot(np.where(bad, np.nan, electrons)[row], color="0.7", label="before")
right.plot(clean.data[row], color="C0", label="after")
right.plot(truth[row], "--", color="black", linewidth=1, label="truth")
right.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="electrons", ylim=(60, 320))
right.margins(x=0)
right.legend(ncols=3)
plt.show()
