"""
Renders: fireflies, a map of the noise, a guide without noise
=============================================================

A path tracer averages a few random paths for each pixel. The result is noisy, with rare pixels that are far too bright
(*fireflies*), but the renderer also knows things exactly: the colour of the surface that a pixel sees and how it is
turned. Weights can be taken from such a picture: ``guide=``.
"""

# %%
# A small renderer
# ----------------
# Two balls on a checkered floor under a square lamp. Each path ends in a random point of the lamp, seen or hidden;
# now and then one hits something very bright. 100 paths a pixel, without that, are the reference.

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import median_filter

import nlmeans

height, width = 144, 192
balls = ((np.array([-0.9, 0.0, 4.2]), 1.0), (np.array([1.1, -0.4, 3.3]), 0.6))
rng = np.random.default_rng(0)


def hit(origin, direction):
    """Return the distance to the nearest ball, infinite where there is none, and which."""
    distance, which = np.full(direction.shape[:-1], np.inf), np.zeros(direction.shape[:-1], int)
    for k, (centre, radius) in enumerate(balls):
        away = origin - centre
        half = np.sum(away * direction, -1)
        root = half**2 - np.sum(away**2, -1) + radius**2
        t = -half - np.sqrt(np.maximum(root, 0))
        nearer = (root > 0) & (t > 1e-3) & (t < distance)
        distance, which = np.where(nearer, t, distance), np.where(nearer, k, which)
    return distance, which


v, u = np.mgrid[0.75 : -0.75 : height * 1j, -1 : 1 : width * 1j]
ray = np.stack([u, v - 0.15, np.full_like(u, 1.6)], -1)
ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
to_floor = np.where(ray[..., 1] < -1e-3, -1 / np.minimum(ray[..., 1], -1e-3), np.inf)
to_ball, ball = hit(np.zeros(3), ray)
is_ball = to_ball < to_floor
far = np.minimum(to_ball, to_floor)
seen = np.isfinite(far) & (far < 14)
point = np.where(seen, far, 0)[..., None] * ray
normal = np.where(is_ball[..., None], point - np.array([c for c, _ in balls])[ball], [0, 1, 0])
normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
checks = (np.floor(2 * point[..., 0]) + np.floor(2 * point[..., 2])) % 2
stripes = np.sin(12 * np.arctan2(normal[..., 1], normal[..., 0])) > 0
albedo = np.where(is_ball, np.where(ball == 0, 0.7, np.where(stripes, 0.9, 0.25)), np.where(checks, 0.8, 0.35))


def light(paths, fireflies=0.0):
    """Return the light that each pixel receives by each of so many random paths."""
    spread = rng.uniform(-1, 1, (paths, height, width, 2))
    lamp = np.stack([-1.5 + spread[..., 0], np.full_like(spread[..., 0], 4.0), 2.5 + spread[..., 1]], -1) - point
    length = np.linalg.norm(lamp, axis=-1)
    free = np.isinf(hit(point, lamp / length[..., None])[0])
    direct = 14 * np.maximum(np.sum(lamp * normal, -1) / length, 0) * free / length**2
    return 0.15 + direct + 30 * (rng.random(direct.shape) < fireflies)


truth = np.where(seen, albedo * light(100).mean(0), 0.1)
paths = np.where(seen, albedo * light(8, fireflies=0.0005), 0.1)
noisy = paths.mean(0).astype("float32")

# %%
# What the renderer knows
# -----------------------
# The guide is what a lamp without size and without shadows would make of the scene: exact, aligned with the image,
# and in its units. And the spread of the eight paths of a pixel says how uncertain their mean is: a map of σ. A
# median filter steadies it, and fireflies do not count.

towards = np.array([-1.5, 4.0, 2.5]) - point
length = np.linalg.norm(towards, axis=-1)
shading = 0.15 + 14 * np.maximum(np.sum(towards * normal, -1) / length, 0) / length**2
guide = np.where(seen, albedo * shading, 0.1).astype("float32")
spread = np.sqrt(median_filter(paths.var(0, ddof=1) / len(paths), 5)).clip(0.002).astype("float32")

fig, axes = plt.subplots(1, 3, figsize=(10, 2.9), layout="constrained")
for ax, (name, image, white) in zip(
    axes, [("noisy", noisy, 0.8), ("guide", guide, 0.8), ("map of σ", spread, 0.06)], strict=True
):
    ax.imshow(image, cmap="gray", vmin=0, vmax=white)
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

# %%
# With and without
# ----------------
# ``outliers="fill"`` takes fireflies for missing pixels and fills them in.

results = {
    "before": noisy,
    "alone": nlmeans.denoise(noisy),
    "outliers filled": nlmeans.denoise(noisy, outliers="fill"),
    "with the map": nlmeans.denoise(noisy, sigma=spread, outliers="fill"),
    "with the guide": nlmeans.denoise(noisy, guide=guide, outliers="fill"),
    "with guide and map": nlmeans.denoise(noisy, sigma=spread, guide=guide, outliers="fill"),
}
penumbra = spread > 0.03  # soft edges of shadows, and the noisiest pixels


def psnr(image, where=True):
    return 10 * np.log10(1 / np.mean((image - truth) ** 2, where=where))


print(f"{'':20}{'PSNR':>9}{'in penumbras':>15}")
for name, image in results.items():
    print(f"{name:20}{psnr(image):6.2f} dB{psnr(image, penumbra):12.2f} dB")

# %%
# The guide knows no shadows: pixels are averaged across their edges, and a map of large σ there makes it more so. The
# stripes and the floor, which it knows, are clean. A guide with shadows in it would have noise of its own, which
# ``guide_sigma=`` declares.

clean = results["with the guide"]
fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for ax, name in zip(axes.flat, ("before", "with the map", "with the guide", "with guide and map"), strict=True):
    ax.imshow(results[name], cmap="gray", vmin=0, vmax=0.8)
    ax.set(title=f"{name}: {psnr(results[name]):.1f} dB", xticks=[], yticks=[])
plt.show()

# %%
# Residual and profile
# --------------------
# On the balls and the floor the residual is noise. Under the balls it shows where light and shadow were mixed.

# sphinx_gallery_thumbnail_number = 2
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(1.2, 2), layout="constrained")
left.imshow(noisy - clean, cmap="gray", vmin=-0.06, vmax=0.06)
left.set(title="residual", xticks=[], yticks=[])
row = 108
right.plot(noisy[row], color="0.7", label="before")
right.plot(clean[row], color="C0", label="with the guide")
right.plot(truth[row], "--", color="black", linewidth=1, label="100 paths")
right.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="light", ylim=(0, 0.8))
right.margins(x=0)
right.legend(ncols=3)
plt.show()
