"""
MRI: the grey veil of Rician noise
==================================

A magnitude image is the length of a complex number, and noise makes lengths longer. Where there is no signal the image
is not black but grey, and weak signals are overestimated. A filter for Gaussian noise removes the grain and keeps the
veil. ``Rician`` removes both.
"""

# %%
# A slice of a head
# -----------------
# The slice comes with Matplotlib. We add noise of 5 % of its white to the real and the imaginary part.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from skimage.metrics import peak_signal_noise_ratio

import nlmeans
from nlmeans.noise import Rician, estimate_noise

with get_sample_data("s1045.ima.gz") as file:
    stored = np.frombuffer(file.read(), "<u2").reshape(256, 256)
truth = 1000 * (stored / np.percentile(stored, 99.8)).clip(0, 1)

rng = np.random.default_rng(0)
sigma = 50
noisy = np.hypot(truth + rng.normal(0, sigma, truth.shape), rng.normal(0, sigma, truth.shape)).astype("float32")

print(estimate_noise(noisy, noise=Rician()), "estimated; in truth", sigma)

# %%
# Gaussian or Rician
# ------------------
# ``noise="auto"`` recognises the noise by its background. For data from several coils, joined as the root of the sum of
# squares, there is ``Rician(coils=8)``.

gaussian = nlmeans.denoise(noisy, sigma=sigma)
rician = nlmeans.denoise(noisy, noise=Rician())
auto, report = nlmeans.denoise(noisy, noise="auto", full_output=True)
print("auto:", report.plan.noise)

air = truth < 5
tissue = (truth > 60) & (truth < 150)
print(f"\n{'':14}{'PSNR':>9}{'air':>9}{'dim tissue':>13}")
print(f"{'truth':14}{'':>9}{truth[air].mean():9.1f}{truth[tissue].mean():13.1f}")
for name, image in {"before": noisy, "Gaussian": gaussian, "Rician": rician, 'noise="auto"': auto}.items():
    quality = peak_signal_noise_ratio(truth, image.astype(float), data_range=1000)
    print(f"{name:14}{quality:6.2f} dB{image[air].mean():9.1f}{image[tissue].mean():13.1f}")

# %%
# The last two columns are means over the air and over tissue that is hardly brighter than the noise: what a measurement
# of intensities would give. With the Gaussian model they are as wrong as before.

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, (title, image) in zip(axes, {"before": noisy, "Rician": rician, "Gaussian": gaussian}.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=900)
    ax.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# Residual and profile
# --------------------
# In the dark, the residual has a mean above 0: that is the veil, taken off. In the head it is noise without structure.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow(noisy - rician, cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
left.set(title="residual", xticks=[], yticks=[])
row = 180
right.plot(noisy[row], color="0.7", label="before")
right.plot(gaussian[row], color="C1", label="Gaussian")
right.plot(rician[row], color="C0", label="Rician")
right.plot(truth[row], "--", color="black", linewidth=1, label="without noise")
right.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="magnitude", ylim=(0, None))
right.margins(x=0)
right.legend(ncols=2)
plt.show()
