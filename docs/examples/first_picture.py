"""
A first picture
===============

Noise is added to a photograph and removed again.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import nlmeans

clean = data.camera()[128:384, 128:384].astype(np.float32)
noisy = clean + np.random.default_rng(0).normal(0, 15, clean.shape).astype(np.float32)
denoised = nlmeans.denoise(noisy)

# %%
# What is taken away should look like noise, and like nothing else.

figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for axis, title, picture in zip(
    axes, ("noisy", "denoised", "residual"), (noisy, denoised, noisy - denoised), strict=True
):
    axis.imshow(picture, cmap="gray")
    axis.set(title=title, xticks=[], yticks=[])
