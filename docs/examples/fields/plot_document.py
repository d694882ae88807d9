"""
Documents: denoise, then threshold
==================================

A page that was photographed in poor light is to become black and white, for a reader or for text recognition. The
threshold of each pixel follows the paper around it (Sauvola), but noise sprinkles the paper with dots. A page is also
what non-local means was made for: every letter returns many times.
"""

# %%
# A page
# ------

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import page
from skimage.filters import gaussian, threshold_sauvola

import nlmeans

truth = page()[:, 60:380]
rng = np.random.default_rng(0)
sigma = 20
noisy = np.clip(np.rint(truth + rng.normal(0, sigma, truth.shape)), 0, 255).astype("uint8")

clean, report = nlmeans.denoise(noisy, full_output=True)
ridge = nlmeans.denoise(noisy, method="ridge")
print(f"sigma {report.sigma[0]:.1f}, in truth {sigma}")

# %%
# Black and white
# ---------------
# The threshold of the page without noise decides what is ink. Ink that is lost and paper that is taken for ink are
# counted apart.


def ink(image):
    return image < threshold_sauvola(image, window_size=25, k=0.2)


blurred = np.rint(gaussian(noisy, 1, preserve_range=True)).astype("uint8")
print(f"\n{'':16}{'PSNR':>9}{'ink lost':>11}{'paper taken for ink':>22}")
for name, image in {"before": noisy, "blur of 1 pixel": blurred, "after": clean, "ridge": ridge}.items():
    quality = 10 * np.log10(255**2 / np.mean((image.astype(float) - truth) ** 2))
    lost, added = np.mean(~ink(image)[ink(truth)]), np.mean(ink(image)[~ink(truth)])
    print(f"{name:16}{quality:6.2f} dB{lost:11.1%}{added:22.1%}")

part = (slice(60, 150), slice(0, 200))
fig, axes = plt.subplots(2, 2, figsize=(10, 5), layout="constrained")
for row, (name, image) in zip(axes, {"before": noisy, "after": ridge}.items(), strict=True):
    row[0].imshow(image[part], cmap="gray", vmin=0, vmax=255)
    row[0].set(title=name, xticks=[], yticks=[])
    row[1].imshow(ink(image)[part], cmap="gray_r", interpolation="nearest")
    row[1].set(title=f"{name}, black and white", xticks=[], yticks=[])
plt.show()

# %%
# The dots on the paper are gone. Ink is not saved: strokes as thin as a pixel were lost in the noise, and stay lost.
#
# Residual and profile
# --------------------

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(1.2, 2), layout="constrained")
left.imshow((noisy.astype(float) - ridge)[part], cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
left.set(title="residual", xticks=[], yticks=[])
line = 77
right.plot(noisy[line, :200], color="0.7", label="before")
right.plot(ridge[line, :200], color="C0", label="after")
right.plot(truth[line, :200], "--", color="black", linewidth=1, label="without noise")
right.set(title=f"profile along row {line}", xlabel="x in pixels", ylabel="grey levels", ylim=(0, 300))
right.margins(x=0)
right.legend(ncols=3, loc="upper right")
plt.show()
