"""
Video: average over time, without smearing what moves
=====================================================

The next frame shows nearly the same with other noise, elsewhere. Windows follow what moves: tile by tile, and where a
sample of the frames shows no motion, not at all. What is gained over single frames, and over windows that stay where
they are? Does the noise still flicker?
"""

# %%
# A camera that pans
# ------------------
# Eight frames: the camera moves by fractions of pixels over a photograph, and a coin moves the other way.

import matplotlib.pyplot as plt
import numpy as np
import skimage as ski
from scipy.ndimage import shift

import nlmeans

scene = ski.data.camera().astype("float32")
coin = ski.data.coins()[18:70, 24:76].astype("float32")
y, x = np.mgrid[-26:26, -26:26]
disc = np.hypot(y, x) < 23

truth = []
for t in range(8):
    frame = shift(scene[60:260, 120:380], (-3.3 * t, -9.7 * t), order=1, mode="nearest")[16:144, 16:144]
    place = frame[60:112, 4 + 4 * t : 56 + 4 * t]
    place[disc] = coin[disc]
    truth.append(frame)
truth = np.stack(truth)

sigma = 25
video = truth + np.random.default_rng(0).normal(0, sigma, truth.shape).astype("float32")

# %%
# Frame by frame, or over time
# ----------------------------
# ``"NYX"`` are separate images, ``"TYX"`` is a video. The noise is estimated. *Flicker* is what a still eye sees: by
# how much the error changes from a frame to the next.

single = nlmeans.denoise(video, axes="NYX")
still = nlmeans.denoise(video, axes="TYX", motion=False)
over_time, report = nlmeans.denoise(video, axes="TYX", full_output=True)
single_ridge = nlmeans.denoise(video, axes="NYX", method="ridge")
clean = nlmeans.denoise(video, axes="TYX", method="ridge")
print(f"sigma {report.sigma[0]:.1f}, in truth {sigma}; averaged over radii (t, y, x) = {report.plan.search_radius}\n")


def psnr(image):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


print(f"{'':29}{'PSNR':>9}{'flicker':>10}")
for name, image in {
    "before": video,
    "frame by frame": single,
    "over time, still windows": still,
    "over time, followed": over_time,
    "frame by frame, ridge": single_ridge,
    "over time, ridge, followed": clean,
}.items():
    print(f"{name:29}{psnr(image):6.2f} dB{np.diff(image - truth, axis=0).std():10.2f}")

# %%
# A window that stays where it was finds little in a frame that has moved on by ten pixels. One that goes along finds
# the same pixels again, and the Wiener step the same frequencies. Beside the coin, where tiles move this way and that,
# there is no ghost: a displacement only says where to look, and patches decide what is alike.

middle = 4
fig, axes = plt.subplots(1, 4, figsize=(10, 2.9), layout="constrained")
shown = {"before": video, "still windows": still, "followed": over_time, "ridge, followed": clean}
for ax, (name, image) in zip(axes, shown.items(), strict=True):
    ax.imshow(image[middle], cmap="gray", vmin=0, vmax=255)
    ax.set(title=f"{name}: {psnr(image):.1f} dB", xticks=[], yticks=[])
plt.show()

# %%
# A row over time
# ---------------
# Each line of these pictures is the same row of one frame, through the coin. Edges that move are slanted. What
# changes from line to line without a slant is noise.

fig, axes = plt.subplots(1, 4, figsize=(10, 1.8), layout="constrained")
for ax, (name, image) in zip(axes, shown.items(), strict=True):
    ax.imshow(image[:, 86], cmap="gray", vmin=0, vmax=255, aspect="auto")
    ax.set(title=name, xlabel="x in pixels", ylabel="frame")
plt.show()

# %%
# The residual of the middle frame, and a profile through the coin's edge.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow((video - clean)[middle], cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
left.set(title="residual", xticks=[], yticks=[])
right.plot(video[middle, 86], color="0.7", label="before")
right.plot(clean[middle, 86], color="C0", label="after")
right.plot(truth[middle, 86], "--", color="black", linewidth=1, label="without noise")
right.set(title="profile along row 86", xlabel="x in pixels", ylabel="grey levels")
right.margins(x=0)
right.legend(ncols=3)
plt.show()
