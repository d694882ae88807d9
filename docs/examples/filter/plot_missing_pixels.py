"""
Missing pixels: masks, no data, outliers
========================================

Not every number in an array is a measurement. A filter that does not know this spreads wrong values over their
neighbours. There are three ways to say so, and in each of them such pixels contribute to no other.
"""

# %%
# Three kinds of damage
# ---------------------

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import moon

import nlmeans

truth = moon()[20:212, 20:212].astype("float32")
rng = np.random.default_rng(0)
sigma = 12
noisy = truth + rng.normal(0, sigma, truth.shape).astype("float32")

y, x = np.mgrid[:192, :192]
scratch = np.abs(y - 0.6 * x - 40 - 6 * np.sin(x / 15)) < 2.5  # known, by a mask
unseen = x + 0.4 * y > 215  # -9999 in the file
hot = rng.random(truth.shape) < 0.004  # known to nobody

damaged = noisy.copy()
damaged[scratch] = 0
damaged[unseen] = -9999
damaged[hot & ~unseen] += 300

# %%
# A mask, a value for no data, outliers
# -------------------------------------
# ``mask`` is True where a pixel counts. Masked pixels are filled in, unless ``fill=False``. Pixels of ``nodata`` stay
# as they are, bit for bit. ``outliers="fill"`` finds single pixels that stand out from all around them.

clean, report = nlmeans.denoise(damaged, sigma=sigma, mask=~scratch, nodata=-9999, outliers="fill", full_output=True)
print(
    f"{report.missing} pixels missing, {report.kept} left as they are; in truth {np.sum((scratch | hot) & ~unseen)} "
    f"and {np.sum(unseen)}"
)
print("no data is still no data:", np.array_equal(clean[unseen], damaged[unseen]))
for note in report.notes:
    print("note:", note)

untold = nlmeans.denoise(np.where(unseen, 0, damaged), sigma=sigma)

for name, where in {
    "intact pixels": ~(scratch | unseen | hot),
    "scratch": scratch & ~unseen,
    "hot pixels": hot & ~unseen & ~scratch,
}.items():
    error = {
        kind: np.sqrt(np.mean((image - truth)[where] ** 2)) for kind, image in (("told", clean), ("untold", untold))
    }
    print(f"{name:15} error {error['untold']:6.2f} if nothing is said, {error['told']:5.2f} if it is")

fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
shown = {"before": damaged, "after": clean, "nothing said": untold}
for ax, (name, image) in zip(axes, shown.items(), strict=True):
    ax.imshow(np.where(unseen, np.nan, image), cmap="gray", vmin=40, vmax=200)
    ax.set(title=name, xticks=[], yticks=[], facecolor="C1")
plt.show()

# %%
# Orange is no data. NaN and infinite pixels count as missing without being named, and masked arrays, astropy's CCDData
# and files of several formats bring their masks and values along.
#
# Residual and profile
# --------------------

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow(np.where(unseen | scratch | hot, np.nan, damaged - clean), cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
left.set(title="residual of the intact pixels", xticks=[], yticks=[], facecolor="C1")
row = 90
right.plot(np.where(unseen, np.nan, damaged)[row], color="0.7", label="before")
right.plot(np.where(unseen, np.nan, clean)[row], color="C0", label="after")
right.plot(truth[row], "--", color="black", linewidth=1, label="without noise")
right.set(
    title=f"profile along row {row}, through the scratch", xlabel="x in pixels", ylabel="grey levels", ylim=(-20, 260)
)
right.margins(x=0)
right.legend(ncols=3)
plt.show()
