"""
Noise that channels share
=========================

Grey held as colour has the same noise in all channels, and demosaicked photographs share some. Taken as independent,
it would be averaged too little where channels agree. Nothing has to be said: the correlation is measured.
"""

# %%
# One picture, three kinds of noise
# ---------------------------------
# σ = 25 in each channel; channels share none of it, half of its variance, or all of it.

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski

import nlmeans

truth = ski.data.coffee()[150:278, 220:348].astype("float32")
rng = np.random.default_rng(0)
common, own = rng.normal(0, 25, (128, 128, 1)), rng.normal(0, 25, truth.shape)
noisy = {share: (truth + share**0.5 * common + (1 - share) ** 0.5 * own).astype("float32") for share in (0.0, 0.5, 1.0)}
clean = {share: nlmeans.denoise(image, sigma=25, channel_axis=-1) for share, image in noisy.items()}


def psnr(image):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


fig, axes = plt.subplots(3, 3, figsize=(9, 9.6), layout="constrained")
for row, share in zip(axes, noisy, strict=True):
    residual = 128 + noisy[share] - clean[share]
    titles = (f"before: {psnr(noisy[share]):.1f} dB", f"after: {psnr(clean[share]):.1f} dB", "residual")
    for ax, image, title in zip(row, (noisy[share], clean[share], residual), titles, strict=True):
        ax.imshow(image.clip(0, 255).astype("uint8"))
        ax.set(title=title, xticks=[], yticks=[])
    row[0].set_ylabel(f"shared: {share:.0%}")
plt.show()

# %%
# A profile
# ---------
# Row 64 of the green channel, where all of the noise is shared.

fig, ax = plt.subplots(figsize=(9, 3), layout="constrained")
for label, image in (("before", noisy[1.0]), ("after", clean[1.0]), ("without noise", truth)):
    ax.plot(image[64, :, 1], label=label, linewidth=1)
ax.set(title="profile", xlabel="column", ylabel="grey level")
ax.legend()
plt.show()

# %%
# Grey as colour
# --------------
# Equal channels are one, by every method and every way in: the result is the grey one, bit for bit.

grey = noisy[0.0][..., 1]
colour = nlmeans.denoise(np.dstack([grey] * 3), sigma=25, channel_axis=-1)
print(np.array_equal(colour, np.dstack([nlmeans.denoise(grey, sigma=25)] * 3)))
