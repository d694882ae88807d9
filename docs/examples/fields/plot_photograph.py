"""
Photographs: before or after the camera's processing
====================================================

A sensor sees one colour in each pixel, with noise that is independent from pixel to pixel. Then the camera
interpolates the missing colours, bends the tones and saves a JPEG: noise becomes blotches several pixels wide, larger
in the shadows. A filter that expects independent noise sees only a part of it.
"""

# %%
# A small camera
# --------------
# A photograph serves as the scene. The sensor counts at most 300 electrons a pixel, behind a Bayer pattern; a bilinear
# interpolation, the tone curve of sRGB and JPEG at quality 90 make the picture that a camera would store.

import io

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski
from PIL import Image
from scipy.ndimage import convolve

import nlmeans
from nlmeans.noise import Gaussian, PoissonGaussian

scene = ski.data.coffee()[100:292, 200:456].astype(float) / 255
light = scene**2.2  # linear


def sensor(light, rng):
    """Return the four planes of an RGGB mosaic, as electrons."""
    planes = np.stack([light[::2, ::2, 0], light[::2, 1::2, 1], light[1::2, ::2, 1], light[1::2, 1::2, 2]])
    return rng.poisson(300 * planes) + rng.normal(0, 3, planes.shape)


def interpolated(planes):
    """Return linear colours, by bilinear interpolation of the mosaic."""
    picture = np.zeros((2 * planes.shape[1], 2 * planes.shape[2], 3))
    there = np.zeros_like(picture)
    for plane, (y, x, c) in zip(planes, [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)], strict=True):
        picture[y::2, x::2, c], there[y::2, x::2, c] = plane, 1
    kernel = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])[..., None]
    return convolve(picture, kernel) / convolve(there, kernel)


def jpeg(planes):
    """Return what the camera stores of such planes, in 8 bits."""
    tones = 255 * (interpolated(planes) / 300).clip(0, 1) ** (1 / 2.2)
    file = io.BytesIO()
    Image.fromarray(np.rint(tones).astype("uint8")).save(file, "jpeg", quality=90)
    return np.asarray(Image.open(file))


raw = sensor(light, np.random.default_rng(0))
stored = jpeg(raw)

# %%
# Denoise the JPEG
# ----------------
# By default the library looks for the traces of processing and, where it sees them, measures the noise at three scales
# (``Camera``). ``Gaussian()`` asks for the plain model: one σ for each channel.

plain = nlmeans.denoise(stored, noise=Gaussian(), channel_axis=-1)
clean, report = nlmeans.denoise(stored, channel_axis=-1, full_output=True)
print("noise of the JPEG:", report.plan.noise)
for note in report.notes:
    print("note:", note)

# %%
# Denoise what the sensor read
# ----------------------------
# With the four planes as channels, the noise is that of counted photons. ``nlmeans denoise photo.dng out.tif`` does
# this with a camera's own files.

planes = nlmeans.denoise(raw, noise=PoissonGaussian(gain=1, sigma=3), channel_axis=0)
developed = jpeg(planes)

reference = jpeg(np.stack([300 * light[y::2, x::2, c] for y, x, c in [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)]]))
results = {"the JPEG": stored, "Gaussian()": plain, "as a photograph": clean, "in the raw data": developed}
for name, image in results.items():
    print(f"{name:18}{ski.metrics.peak_signal_noise_ratio(reference, image):6.2f} dB")

fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for ax, (name, image) in zip(axes.flat, results.items(), strict=True):
    ax.imshow(image)
    ax.set(title=f"{name}: {ski.metrics.peak_signal_noise_ratio(reference, image):.1f} dB", xticks=[], yticks=[])
plt.show()

# %%
# The residual of the default shows no cup and no spoon, but blotches: the noise is wider than a pixel.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(1, 1.6), layout="constrained")
left.imshow(stored.astype(float).mean(-1) - clean.astype(float).mean(-1), cmap="gray", vmin=-20, vmax=20)
left.set(title="residual, mean of the channels", xticks=[], yticks=[])
row = 60
right.plot(stored[row, :, 1], color="0.7", label="before")
right.plot(clean[row, :, 1], color="C0", label="after")
right.plot(reference[row, :, 1], "--", color="black", linewidth=1, label="without noise")
right.set(title=f"profile of green along row {row}", xlabel="x in pixels", ylabel="grey levels", ylim=(0, 255))
right.margins(x=0)
right.legend(ncols=3)
plt.show()
