"""
Plug and play: a denoiser that sharpens
=======================================

A blurred image with noise is to be sharpened. Dividing by the blur amplifies the noise; a *prior*, which says what
images look like, is needed. Plug and play takes a denoiser for it: sharpen a little, denoise, repeat with less and
less noise. Any call of ``nlmeans.denoise`` will do.
"""

# %%
# A blurred picture
# -----------------

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski
from scipy.fft import irfft2, rfft2

import nlmeans

truth = ski.data.camera()[60:220, 130:290].astype("float32")
y, x = np.mgrid[-80:80, -80:80]
kernel = np.exp(-(x**2 + y**2) / (2 * 2.0**2))
blur = rfft2(np.fft.ifftshift(kernel / kernel.sum()))


def blurred(image):
    return irfft2(blur * rfft2(image), truth.shape)


sigma = 2
seen = (blurred(truth) + np.random.default_rng(0).normal(0, sigma, truth.shape)).astype("float32")

# %%
# Half-quadratic splitting
# ------------------------
# In each round, the first line finds what explains the data and is close to the last result; the second one denoises
# it, with a σ that falls from 30 to near that of the data. The blur wraps around the borders here, so that the first
# line can be written down with a Fourier transform.


def sharpened(rounds=8, **options):
    image = seen
    for level in np.geomspace(30, 4, rounds):
        share = (sigma / level) ** 2
        spectrum = np.conj(blur) * rfft2(seen) + share * rfft2(image)
        image = irfft2(spectrum / (np.abs(blur) ** 2 + share), truth.shape).astype("float32")
        image = nlmeans.denoise(image, sigma=level, **options)
    return image


def psnr(image):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


wiener = irfft2(np.conj(blur) * rfft2(seen) / (np.abs(blur) ** 2 + 0.01), truth.shape)
inverse = irfft2(rfft2(seen) / np.where(np.abs(blur) < 0.02, 0.02, blur), truth.shape)
results = {
    "before": seen,
    "inverse filter": inverse,
    "Wiener filter": wiener,
    "with nlm": sharpened(quality="fast"),
    "with nlm, balanced": sharpened(),
    "with ridge": sharpened(method="ridge"),
}
for name, image in results.items():
    print(f"{name:20}{psnr(image):6.2f} dB")

clean = results["with nlm, balanced"]
fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
for ax, (name, image) in zip(
    axes, {"before": seen, "Wiener filter": wiener, "plug and play": clean}.items(), strict=True
):
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set(title=f"{name}: {psnr(image):.1f} dB", xticks=[], yticks=[])
plt.show()

# %%
# Does it explain the data?
# -------------------------
# The residual is the difference of the data and the blurred result. It should be noise of σ = 2, and nothing else.

residual = seen - blurred(clean)
print(f"standard deviation of the residual: {residual.std():.2f}")
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow(residual, cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
left.set(title="residual", xticks=[], yticks=[])
row = 100
right.plot(seen[row], color="0.7", label="before")
right.plot(clean[row], color="C0", label="plug and play")
right.plot(truth[row], "--", color="black", linewidth=1, label="without blur and noise")
right.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="grey levels")
right.margins(x=0)
right.legend()
plt.show()

# %%
# The same with ``method="learned"`` uses the trained network; inside PyTorch, ``nonlocal_block.load_denoiser()``
# returns it as a module.
