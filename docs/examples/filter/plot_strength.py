"""
Strength: chosen by Stein's estimate
====================================

The strength h/σ says how different patches may be and still be averaged. Too small, and noise stays; too large, and
detail goes. Which is best depends on the picture. ``strength="sure"`` estimates the error of each strength from the
noisy picture alone and takes the best one.
"""

# %%
# Three pictures, ten strengths
# -----------------------------

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import brick, camera, gravel

import nlmeans

sigma = 20
pictures = {
    "camera": camera()[60:220, 130:290],
    "brick": brick()[:160, :160],
    "gravel": gravel()[:160, :160],
}
rng = np.random.default_rng(0)
noisy = {name: picture + rng.normal(0, sigma, picture.shape) for name, picture in pictures.items()}
strengths = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.4])


def denoised(name, strength):
    return nlmeans.denoise(noisy[name], sigma=sigma, strength=strength, quality="fast", full_output=True)


def error(name, image):
    return np.mean((image - pictures[name]) ** 2)


# %%
# What "sure" takes
# -----------------
# ``report.plan.predicted_mse`` is the error that it expects. Compare it with the true error, which nobody knows in
# earnest, and with that of the best of ten strengths.

curves = {name: [error(name, denoised(name, s)[0]) for s in strengths] for name in pictures}
chosen = {name: denoised(name, "sure") for name in pictures}
default = {name: denoised(name, None) for name in pictures}
print(f"{'':9}{'strength':>9}{'predicted':>11}{'true error':>12}{'best of ten':>13}{'default':>9}")
for name, (image, report) in chosen.items():
    plan = report.plan
    print(
        f"{name:9}{plan.strength:9.2f}{plan.predicted_mse:11.1f}{error(name, image):12.1f}{min(curves[name]):13.1f}"
        f"{error(name, default[name][0]):9.1f}"
    )

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
for (name, errors), marker in zip(curves.items(), "os^", strict=True):
    (line,) = ax.plot(strengths, errors, marker=marker, markersize=4, label=name)
    plan = chosen[name][1].plan
    ax.plot(plan.strength, plan.predicted_mse, "*", markersize=14, color=line.get_color(), markeredgecolor="black")
ax.set(title='stars: what "sure" chose and predicted', xlabel="strength h/σ", ylabel="mean squared error")
ax.legend()
plt.show()

# %%
# It needs Gaussian noise that is not clipped, and its true σ. The choice is close to the best in all three. The
# predicted error is less sure, since it comes from one picture: of the wall it is too low by a quarter.
#
# Too little, chosen, too much
# ----------------------------

name = "camera"
trials = {f"strength {s:.2g}": denoised(name, s)[0] for s in (0.2, chosen[name][1].plan.strength, 1.4)}
fig, axes = plt.subplots(2, 3, figsize=(10, 7), layout="constrained")
for (above, below), (title, image) in zip(axes.T, trials.items(), strict=True):
    above.imshow(image, cmap="gray", vmin=0, vmax=255)
    above.set(title=f"{title}: error {error(name, image):.0f}", xticks=[], yticks=[])
    below.imshow(noisy[name] - image, cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
    below.set(title="residual", xticks=[], yticks=[])
plt.show()

# %%
# The residuals tell the same: on the left it is too faint, on the right it shows edges. A profile:

row = 60
fig, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
for (title, image), colour in zip(trials.items(), ("0.7", "C0", "C1"), strict=True):
    ax.plot(image[row], color=colour, label=title)
ax.plot(pictures[name][row], "--", color="black", linewidth=1, label="without noise")
ax.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="grey levels")
ax.margins(x=0)
ax.legend(ncols=4)
plt.show()
