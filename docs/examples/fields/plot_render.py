"""
Renders: a guide without noise, and fireflies
=============================================

A path tracer averages a few random paths for each pixel. The result is noisy, with rare pixels that are far too bright
(*fireflies*), but the renderer also knows things exactly: the colour of the surface that a pixel sees and how it is
turned. Weights can be taken from such a picture: ``guide=``.
"""

# %%
# A small renderer
# ----------------
# Two balls on a checkered floor under a square lamp, with shadows from a few random points on the lamp, and now and then a
# path that hits something very bright.

import matplotlib.pyplot as plt
import numpy as np

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


def light(paths, shadows=True):
    """Return the light that each pixel receives, by the mean of so many random paths."""
    total = np.zeros(point.shape[:-1])
    for _ in range(paths):
        spread = rng.uniform(-1, 1, (*total.shape, 2)) if shadows else np.zeros((*total.shape, 2))
        lamp = np.stack([-1.5 + spread[..., 0], np.full_like(total, 4.0), 2.5 + spread[..., 1]], -1) - point
        length = np.linalg.norm(lamp, axis=-1)
        cosine = np.maximum(np.sum(lamp * normal, -1) / length, 0)
        free = np.isinf(hit(point, lamp / length[..., None])[0]) if shadows else True
        firefly = 30 * (rng.random(total.shape) < 0.0015) if shadows else 0
        total += 0.15 + 14 * cosine * free / length**2 + firefly
    return total / paths


noisy = np.where(seen, albedo * light(4), 0.1).astype("float32")
fireflies = 30 * 0.0015  # their mean, which a reference with enough paths would have
truth = np.where(seen, albedo * (light(150) - 0), 0.1)
guide = np.where(seen, albedo * light(1, shadows=False), 0.1).astype("float32")

# %%
# With and without the guide
# --------------------------
results = {
    "before": noisy,
    "no guide": nlmeans.denoise(noisy),
    "guide": nlmeans.denoise(noisy, guide=guide),
    "no guide, fill": nlmeans.denoise(noisy, outliers="fill"),
    "guide, fill": nlmeans.denoise(noisy, guide=guide, outliers="fill"),
}
for name, image in results.items():
    print(name, round(10*np.log10(1/np.mean((image-truth)**2)),2), np.median(np.abs(image-truth)), image.mean())
ratio = noisy/np.maximum(albedo,.05)
for nm,kw in {"irr":{}, "irr fill":dict(outliers="fill"), "irr ridge fill":dict(outliers="fill",method="ridge")}.items():
    i=nlmeans.denoise(ratio.astype("float32"),**kw)*np.maximum(albedo,.05); results[nm]=i
    print(nm, round(10*np.log10(1/np.mean((i-truth)**2)),2), np.median(np.abs(i-truth)), i.mean())
print(truth.mean(), nlmeans.estimate_sigma(noisy))
r,rep=nlmeans.denoise(noisy,guide=guide,outliers="fill",full_output=True); print(rep)
fig,axs=plt.subplots(3,3,figsize=(14,12),layout="constrained")
for a,(n,i) in zip(axs.flat,{**results,"truth":truth}.items()): a.imshow(i,cmap="gray",vmin=0,vmax=.8); a.set(title=n,xticks=[],yticks=[])
plt.show()
