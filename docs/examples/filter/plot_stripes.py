"""
Stripes: columns that are brighter as a whole
=============================================

An sCMOS sensor reads each column by an amplifier of its own, a scanner moves one line of pixels over the page, and a
pixel of a detector draws a whole column of a sinogram. Their offsets make stripes that no average removes.
"""

# %%
# A picture with an offset in each column
# ---------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import camera

import nlmeans

truth = camera()[30:250, 110:350].astype(float)
rng = np.random.default_rng(0)
offsets = rng.normal(0, 10, truth.shape[1])
noisy = truth + offsets + rng.normal(0, 10, truth.shape)

# %%
# Without the option, a note names them
# -------------------------------------

kept, report = nlmeans.denoise(noisy, full_output=True)
for note in report.notes:
    print(note)

# %%
# With it, they are removed before the noise is fitted
# ----------------------------------------------------
# "y" would remove those of columns alone, which run along y, and "x" those of rows.

clean, report = nlmeans.denoise(noisy, stripes="auto", full_output=True)
print(report.plan.stripes)


def psnr(image):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


results = {"before": noisy, "stripes=None": kept, "stripes='auto'": clean}
fig, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for ax, (name, image) in zip(axes, results.items(), strict=False):
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[], title=name, xlabel=f"{psnr(image):.1f} dB")
axes[3].imshow(noisy - clean, cmap="gray", vmin=-40, vmax=40)
axes[3].set(xticks=[], yticks=[], title="residual of the last")
plt.show()

# %%
# What was taken off the columns: a profile
# -----------------------------------------
# Slow changes from column to column are left: they could be the picture's own.

removed = (noisy - nlmeans.denoise(noisy, 0, stripes="auto")).mean(axis=0)
fig, ax = plt.subplots(figsize=(10, 3), layout="constrained")
ax.plot(offsets - offsets.mean(), label="true offsets")
ax.plot(removed, label="removed")
ax.set(xlabel="column", ylabel="offset")
ax.legend()
plt.show()

# %%
# A picture that shows no stripes is returned bit for bit as without the option.

plain = truth + rng.normal(0, 10, truth.shape)
print(np.array_equal(nlmeans.denoise(plain, 10, stripes="auto"), nlmeans.denoise(plain, 10)))
