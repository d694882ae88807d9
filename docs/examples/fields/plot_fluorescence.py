"""
Fluorescence: photons and read noise
====================================

A fluorescence image is a count of photons. Its noise grows with the signal: a bright nucleus has several times the
noise of the dark around it, and no single σ fits both. Here is what that costs, and what ``noise="auto"`` does about
it.
"""

# %%
# The sample
# ----------
# The density of one stain in a section of tissue stands in for the concentration of a dye. The camera turns at most
# about 15 photons a pixel into counts, with a gain of 2, an offset of 100 and a read noise of 3 counts. It is
# simulated, so we know what the image would be without noise.

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski
from scipy.ndimage import gaussian_filter

import nlmeans
from nlmeans.noise import PoissonGaussian, estimate_noise

stain = ski.color.rgb2hed(ski.data.immunohistochemistry()[:256, :256])[..., 0]
dye = gaussian_filter(np.clip(stain - 0.01, 0, None), 1)  # the optics' blur
photons = 0.5 + 15 * dye / np.percentile(dye, 99.5)

rng = np.random.default_rng(0)
truth = 2 * photons + 100
counts = np.rint(2 * rng.poisson(photons) + 100 + rng.normal(0, 3, photons.shape)).astype("uint16")

# %%
# What kind of noise is it?
# -------------------------
# The image itself says: its variance is drawn against its brightness, and a line is put through.

print(estimate_noise(counts))
print("camera: gain 2, offset 100, read noise 3")

# %%
# Gain and slope agree. Offset and read noise are harder to tell apart: the variance is a line over the brightness,
# gain · (mean − offset) + σ², and a lower offset without read noise is the same line as a higher one with it. For the
# result that does not matter.
#
# One σ for all, or the right model
# ---------------------------------
# ``dtype="float32"`` keeps the shades between whole counts. They matter where counts are few.

clean = nlmeans.denoise(counts, noise="auto", dtype="float32")
naive = nlmeans.denoise(counts, dtype="float32")  # one σ, estimated
known = nlmeans.denoise(counts, noise=PoissonGaussian(gain=2, offset=100, sigma=3), dtype="float32")


def psnr(image):
    return ski.metrics.peak_signal_noise_ratio(truth, image.astype(float), data_range=np.ptp(truth))


for name, image in {
    "before": counts,
    "one sigma": naive,
    'noise="auto"': clean,
    "the camera's own numbers": known,
}.items():
    print(f"{name:26}{psnr(image):6.2f} dB")

# %%
# A single σ is estimated where the image is dark and quiet. It is too small for the nuclei, and their noise stays.

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, (title, image) in zip(
    axes, {"before": counts, 'noise="auto"': clean, "one σ for all": naive}.items(), strict=True
):
    ax.imshow(image, cmap="gray", vmin=98, vmax=132)
    ax.set(title=f"{title}: {psnr(image):.1f} dB", xticks=[], yticks=[])
plt.show()

# %%
# Look at what was taken away
# ---------------------------
# The residual, divided by the noise that the camera should have there, is even grey: no nuclei and no edges in it. Its
# standard deviation is a little below 1, since a part of the noise is left.

residual = (counts - clean) / np.sqrt(2 * (truth - 100) + 3**2)
print(f"standard deviation of the residual, in units of the noise: {residual.std():.2f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow(residual, cmap="gray", vmin=-3, vmax=3)
left.set(title="residual / noise", xticks=[], yticks=[])
right.plot(counts[128], color="0.7", label="before")
right.plot(clean[128], color="C0", label="after")
right.plot(truth[128], "--", color="black", linewidth=1, label="without noise")
right.set(title="profile along row 128", xlabel="x in pixels", ylabel="counts")
right.margins(x=0)
right.legend(ncols=3, loc="upper right")
plt.show()
