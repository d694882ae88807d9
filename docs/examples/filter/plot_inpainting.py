"""
In a loop: seven of ten pixels are missing
==========================================

``nlmeans.Denoiser`` is the same call again and again, as reconstruction by plug and play makes it. Here it fills a
picture of which three pixels in ten are known: the alternating direction method takes turns between the picture that
agrees with them and the picture that looks denoised.
"""

# %%
# A picture with holes, and a first guess
# ---------------------------------------
# With ``mask=``, one call fills them, by averages of the pixels around that are known.

import time

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import camera

import nlmeans

truth = camera()[60:220, 130:290].astype("float32")
known = np.random.default_rng(0).random(truth.shape) < 0.3
guess = nlmeans.denoise(np.where(known, truth, np.nan), 5.0, patch_radius=1, padding=False)

# %%
# Two steps in turn
# -----------------
# ``prox(x, tau)`` is a call with σ = √τ, which falls from 30 to 2. The sum ``u`` of what both steps disagreed on makes
# the method more than taking turns.


def filled(denoiser, rounds=30):
    z, u = guess, np.zeros_like(guess)
    for tau in np.geomspace(30**2, 2**2, rounds):
        x = np.where(known, truth, z - u)
        z = denoiser.prox(x + u, tau)
        u += x - z
    return np.where(known, truth, z)


def psnr(image):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


denoisers = {
    "nlm": nlmeans.Denoiser("nlm", "fast"),
    "nlm, balanced": nlmeans.Denoiser("nlm", "balanced"),
    "ridge": nlmeans.Denoiser("ridge", "fast"),
}
results = {"one call": guess}
print(f"{'one call':15}{psnr(guess):6.2f} dB")
for name, denoiser in denoisers.items():
    denoiser(guess, 10.0)  # compiles
    start = time.perf_counter()
    results[name] = filled(denoiser)
    print(f"{name:15}{psnr(results[name]):6.2f} dB, {1000 * (time.perf_counter() - start) / 30:.0f} ms a round")

fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
shown = {"what is known": np.where(known, truth, 0), "one call": guess, "ridge": results["ridge"]}
for ax, (name, image) in zip(axes, shown.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set(title=name if name not in results else f"{name}: {psnr(image):.1f} dB", xticks=[], yticks=[])
plt.show()

# %%
# What is left
# ------------
# The residual is the difference from the truth, which nobody knows in earnest. What is fine and does not repeat cannot
# be had back.

clean = results["ridge"]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.imshow(clean - truth, cmap="gray", vmin=-60, vmax=60)
left.set(title="residual", xticks=[], yticks=[])
row = 100
right.plot(guess[row], color="0.7", label="one call")
right.plot(clean[row], color="C0", label="ridge, in the loop")
right.plot(truth[row], "--", color="black", linewidth=1, label="truth")
right.plot(np.flatnonzero(known[row]), truth[row][known[row]], "k.", markersize=4, label="known")
right.set(title=f"profile along row {row}", xlabel="x in pixels", ylabel="grey levels")
right.margins(x=0)
right.legend(ncols=2)
plt.show()
