"""
Learned or classical?
=====================

Three methods share one call: ``"nlm"`` averages pixels, ``"ridge"`` combines groups of patches, ``"learned"`` is a
network that was trained on photographs. On most photographs the network has the best PSNR, at ten to twenty times the
time of ``"nlm"``. Not on all pictures.
"""

# %%
# Four pictures
# -------------
# A photograph, a wall that repeats itself, a printed page, and a colour photograph with very little noise.

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski

import nlmeans

cases = {
    "photograph": (ski.data.camera()[60:188, 130:258], 25),
    "wall": (ski.data.brick()[:128, :128], 25),
    "page": (ski.data.page()[50:178, 80:208], 25),
    "colour, little noise": (ski.data.rocket()[60:188, 250:378], 5),
}
methods = ("nlm", "ridge", "learned")
rng = np.random.default_rng(0)
results = {}
for name, (truth, sigma) in cases.items():
    noisy = (truth + rng.normal(0, sigma, truth.shape)).astype("float32")
    colour = {"channel_axis": -1} if truth.ndim == 3 else {}
    results[name] = {"before": noisy} | {
        method: nlmeans.denoise(noisy, sigma=sigma, method=method, **colour) for method in methods
    }

# %%
# PSNR
# ----


def psnr(name, method):
    return 10 * np.log10(255**2 / np.mean((results[name][method] - cases[name][0]) ** 2))


print(f"{'':22}" + "".join(f"{method:>9}" for method in ("before", *methods)))
for name in cases:
    print(f"{name:22}" + "".join(f"{psnr(name, method):9.2f}" for method in ("before", *methods)))

fig, axes = plt.subplots(4, 4, figsize=(10, 10.6), layout="constrained")
for row, (name, images) in zip(axes, results.items(), strict=True):
    for ax, (method, image) in zip(row, images.items(), strict=True):
        ax.imshow(image.clip(0, 255).astype("uint8"), cmap="gray", vmin=0, vmax=255)
        ax.set(title=f"{method}: {psnr(name, method):.1f} dB", xticks=[], yticks=[])
    row[0].set_ylabel(name)
plt.show()

# %%
# The training pictures were JPEG files, whose colours have half the resolution: with little noise the network blurs
# colours that the classical methods keep. On the wall, groups of patches from all over the picture are as good.
#
# Residuals
# ---------
# What each method took from the photograph and from the colour picture (its blue channel).

fig, axes = plt.subplots(2, 3, figsize=(10, 6.8), layout="constrained")
for row, name in zip(axes, ("photograph", "colour, little noise"), strict=True):
    for ax, method in zip(row, methods, strict=True):
        residual = results[name]["before"] - results[name][method]
        limit = 3 * cases[name][1]
        ax.imshow(residual if residual.ndim == 2 else residual[..., 2], cmap="gray", vmin=-limit, vmax=limit)
        ax.set(title=method, xticks=[], yticks=[])
    row[0].set_ylabel(name)
plt.show()

# %%
# A profile through the photograph
# --------------------------------

images, line = results["photograph"], 60
fig, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
ax.plot(images["before"][line], color="0.8", label="before")
for method, colour in zip(methods, ("C1", "C2", "C0"), strict=True):
    ax.plot(images[method][line], color=colour, label=method)
ax.plot(cases["photograph"][0][line], "--", color="black", linewidth=1, label="without noise")
ax.set(title=f"profile along row {line}", xlabel="x in pixels", ylabel="grey levels")
ax.margins(x=0)
ax.legend(ncols=5)
plt.show()
