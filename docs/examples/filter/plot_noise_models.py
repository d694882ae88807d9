"""
Noise models: what one σ costs
==============================

Non-local means needs to know by how much two patches differ for no other reason than noise. One σ says that if the
noise is the same everywhere. Here are four kinds for which it is not, each with one σ for all and with its own model.
The one σ is the best that there could be: the true root mean square of the noise.
"""

# %%
# Four kinds of noise on one picture
# ----------------------------------

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.data import camera

import nlmeans
from nlmeans.noise import Gaussian, PoissonGaussian, Rician

truth = camera()[60:252, 130:322].astype(float)
rng = np.random.default_rng(0)
normal = rng.normal(size=(2, *truth.shape))
y, x = np.mgrid[-1 : 1 : truth.shape[0] * 1j, -1 : 1 : truth.shape[1] * 1j]
away = np.broadcast_to(6 + 34 * (x**2 + y**2) / 2, truth.shape)  # from 6 in the middle to 40 in the corners
wide = gaussian_filter(normal[0], 0.7)

cases = {
    "photons": (12.0 * rng.poisson(truth / 12), PoissonGaussian(gain=12)),
    "magnitude": (np.hypot(truth + 35 * normal[0], 35 * normal[1]), Rician(35)),
    "uneven": (truth + away * normal[0], Gaussian(away)),
    "correlated": (truth + 20 * wide / wide.std(), Gaussian()),  # measured in each frequency
}

# %%
# One σ or the model
# ------------------


def psnr(image):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


results = {}
print(f"{'':12}{'before':>9}{'one sigma':>12}{'model':>9}   noise")
for name, (noisy, noise) in cases.items():
    one = nlmeans.denoise(noisy, sigma=(noisy - truth).std())
    model, report = nlmeans.denoise(noisy, noise=noise, full_output=True)
    results[name] = noisy, one, model
    print(f"{name:12}{psnr(noisy):9.2f}{psnr(one):12.2f}{psnr(model):9.2f}   {report.plan.noise}")

fig, axes = plt.subplots(3, 4, figsize=(10, 7.8), layout="constrained")
for column, (name, images) in zip(axes.T, results.items(), strict=True):
    for ax, image in zip(column, images, strict=True):
        ax.imshow(image[20:116, 20:116], cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[], xlabel=f"{psnr(image):.1f} dB")
    column[0].set_title(name)
for ax, kind in zip(axes[:, 0], ("before", "one σ", "model"), strict=True):
    ax.set_ylabel(kind)
plt.show()

# %%
# Residuals
# ---------
# With one σ for all (above), photon noise is left in the light while edges in the dark are lost, and in the quiet
# middle of the uneven picture detail goes with the noise. The models' residuals (below) have as much noise as there
# is in each place; that of the magnitudes also shows the veil that was taken off the dark. Two things are not good:
# the darkest magnitudes get black blotches where the signal is lost in noise, and of noise that neighbours share,
# much is left.

fig, axes = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
for column, (name, (noisy, *images)) in zip(axes.T, results.items(), strict=True):
    for ax, image in zip(column, images, strict=True):
        ax.imshow(noisy - image, cmap="gray", vmin=-75, vmax=75)
        ax.set(xticks=[], yticks=[])
    column[0].set_title(name)
for ax, kind in zip(axes[:, 0], ("one σ", "model"), strict=True):
    ax.set_ylabel(kind)
plt.show()

# %%
# A profile through the photons
# -----------------------------

noisy, one, model = results["photons"]
row = 150
fig, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
ax.plot(noisy[row], color="0.8", label="before")
ax.plot(one[row], color="C1", label="one σ")
ax.plot(model[row], color="C0", label="model")
ax.plot(truth[row], "--", color="black", linewidth=1, label="without noise")
ax.set(title=f"photons, along row {row}", xlabel="x in pixels", ylabel="grey levels")
ax.margins(x=0)
ax.legend(ncols=4)
plt.show()
