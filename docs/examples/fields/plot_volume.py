"""
Volumes: cubes, not slices
==========================

What lies in a volume goes on from slice to slice. Cubes of 4 × 4 × 4 voxels are compared in all three directions by
``method="ridge"``, and a cube says more about what is there than a square of one slice.
"""

# %%
# A volume
# --------
# Soft-edged blobs, as if of tissue, with noise of 5 % of white.

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

import nlmeans

rng = np.random.default_rng(1)
truth = np.full((40, 64, 64), 30.0)
for width, level in ((7, 90), (5, 150), (3.5, 210), (3.5, 60)):
    field = gaussian_filter(rng.normal(size=truth.shape), width)
    inside = np.clip(0.5 + width * (field / field.std() - 0.6), 0, 1)
    truth += inside * (level - truth)
sigma = 13
noisy = (truth + rng.normal(0, sigma, truth.shape)).astype("float32")

# %%
# Slice by slice, or as a volume
# ------------------------------
# ``axes`` says that the first axis is depth. Named N, it would be a stack of separate images. Voxels that are not cubes
# are told by ``spacing``: of slices more than three times as thick as pixels are wide, squares are compared.

results = {
    "before": noisy,
    "ridge, slice by slice": nlmeans.denoise(noisy, sigma, method="ridge", axes="NYX"),
    "the default": nlmeans.denoise(noisy, sigma, axes="ZYX"),
    "ridge": nlmeans.denoise(noisy, sigma, method="ridge", axes="ZYX"),
}
for name, volume in results.items():
    print(f"{name:24}{peak_signal_noise_ratio(truth, volume.astype(float), data_range=255):6.2f} dB")

fig, axes = plt.subplots(2, 4, figsize=(11, 5), height_ratios=(64, 40), layout="constrained")
for column, (name, volume) in zip(axes.T, results.items(), strict=True):
    for ax, plane in zip(column, (volume[20], volume[:, 32]), strict=True):
        ax.imshow(plane, cmap="gray", vmin=0, vmax=230)
        ax.set(xticks=[], yticks=[])
    column[0].set(title=name)
axes[0, 0].set(ylabel="a slice")
axes[1, 0].set(ylabel="across slices")
plt.show()

# %%
# Residual and profile
# --------------------
# The residual, what was taken away, should be noise alone. The profile runs across the slices.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow((noisy - results["ridge"])[20], cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
left.set(title="residual", xticks=[], yticks=[])
for name, colour in {"before": "0.7", "ridge, slice by slice": "C1", "ridge": "C0"}.items():
    right.plot(results[name][:, 32, 32], color=colour, label=name)
right.plot(truth[:, 32, 32], "--", color="black", linewidth=1, label="without noise")
right.set(title="profile across the slices", xlabel="z in voxels", ylabel="grey level")
right.legend(ncols=2)
plt.show()

# %%
# What is done
# ------------
# The plan names cubes and windows.

print(nlmeans.plan(noisy, sigma, method="ridge", axes="ZYX"))
