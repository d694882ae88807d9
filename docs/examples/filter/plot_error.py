"""
Errors: how far a result may be off
===================================

A denoised picture is off in two ways: noise is left, and detail is lost. ``full_output="maps"`` says by how much,
around each pixel, without the picture that nobody has: as a standard deviation, for any method.
"""

# %%
# A map
# -----

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski

import nlmeans

picture = ski.data.camera()[60:220, 130:290].astype(float)
sigma = 20
noisy = picture + np.random.default_rng(0).normal(0, sigma, picture.shape)
clean, report = nlmeans.denoise(noisy, sigma=sigma, method="ridge", quality="fast", full_output="maps")
error = report.maps.error

residual = 128 + noisy - clean
fig, axes = plt.subplots(1, 5, figsize=(12, 2.9), layout="constrained")
for ax, title, values, most in zip(
    axes,
    ("noisy", "result", "residual", "error, which nobody knows", "the map"),
    (noisy, clean, residual, abs(clean - picture), error),
    (255, 255, 255, 2 * sigma, 2 * sigma),
    strict=True,
):
    ax.imshow(values, cmap="gray" if most == 255 else "magma", vmin=0, vmax=most)
    ax.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# Intervals
# ---------
# The result ± the map holds the truth in about 68 % of the pixels, ± 1.96 times the map in about 95 %.

off = abs(clean - picture)
print(f"within the map {np.mean(off < error):.0%}, within 1.96 times the map {np.mean(off < 1.96 * error):.0%}")
print(f"root mean square: of the errors {np.sqrt(np.mean(off**2)):.1f}, of the map {np.sqrt(np.mean(error**2)):.1f}")

row = 60
fig, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
x = np.arange(picture.shape[1])
ax.fill_between(x, (clean - 1.96 * error)[row], (clean + 1.96 * error)[row], color="C0", alpha=0.25, label="95 %")
ax.plot(clean[row], color="C0", label="after")
ax.plot(picture[row], "--", color="black", linewidth=1, label="without noise")
ax.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="grey levels")
ax.margins(x=0)
ax.legend(ncols=3)
plt.show()

# %%
# The map is smooth: it says how large errors are around a pixel, not which of two neighbours is off. Errors have
# heavier tails than noise: more of them are large than a normal distribution has. The map needs the true sigma.
