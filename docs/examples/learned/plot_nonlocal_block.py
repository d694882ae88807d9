"""
A non-local block in a network
==============================

A convolution sees a few pixels around each place. To decide something that depends on a place far away, many layers are
needed, or one non-local block, which lets each pixel average over all others by learned weights. Here is a task that
needs exactly that, a network that cannot do it, and the same network with a block in it.
"""

# %%
# Is there another one like it?
# -----------------------------
# Three squares of 4 × 4 pixels lie somewhere in an image, each with one of two colours; the network is to mark those
# whose colour occurs twice or more. No square can know that by itself.

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from nonlocal_block import NonLocalBlock2d

torch.set_num_threads(1)  # networks as small as these gain nothing from more
rng = np.random.default_rng(0)


def batch(count, size=18):
    """Return images of two channels, the mask of squares, and which are to be marked."""
    images = rng.normal(0, 0.1, (count, 2, size, size)).astype("float32")
    squares, marked = np.zeros((2, count, size, size), "float32")
    cells = np.array([(y, x) for y in range(1, size - 4, 6) for x in range(1, size - 4, 6)])
    for k in range(count):
        colours = rng.integers(0, 2, 3)
        for (y, x), colour in zip(cells[rng.permutation(len(cells))[:3]], colours, strict=True):
            part = (slice(y, y + 4), slice(x, x + 4))
            images[k, colour][part] += 1
            squares[k][part] = 1
            marked[k][part] = np.sum(colours == colour) > 1
    return map(torch.from_numpy, (images, squares, marked))


# %%
# Two networks
# ------------
# They differ by one line. A block starts as the identity, so it can also be put into a network that has been trained.


def network(*middle):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 16, 3, padding=1),
        nn.ReLU(),
        *middle,
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 1, 1),
    )


def trained(model, steps=110):
    """Train the model; return how many pixels of squares it gets right, now and then."""
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    right = []
    for _ in range(steps):
        images, squares, marked = batch(8)
        answers = model(images)[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(answers, marked, weight=squares)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        right.append(float((((answers > 0) == (marked > 0)) * squares).sum() / squares.sum()))
    return right


models = {"convolutions": network(), "with a non-local block": network(NonLocalBlock2d(16))}
curves = {name: trained(model) for name, model in models.items()}
for name, curve in curves.items():
    print(f"{name:24} {np.mean(curve[-20:]):.0%} of the pixels right, in the last 20 of {len(curve)} steps")

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, curve), colour in zip(curves.items(), ("C1", "C0"), strict=True):
    ax.plot(np.convolve(curve, np.ones(10) / 10, "valid"), color=colour, label=name)
ax.set(title="pixels that are right, mean of 10 steps", xlabel="step", ylabel="share", ylim=(0, 1.02))
ax.legend(loc="lower right")
plt.show()

# %%
# What it answers, and where it looks
# -----------------------------------
# With ``return_nl_map=True`` the block also returns its weights, for each pixel those of all pixels. Here are those
# of the pixel in the orange box. They tell squares of its own colour from those of the other one, wherever they are.
# Non-local means would always look at its own; what a block looks at is up to training, and either answers the
# question.

images, squares, marked = batch(8)
one = int(((squares != marked).sum((1, 2)) > 0).nonzero()[0, 0])  # an image with an odd square
images, squares, marked = images[one : one + 1], squares[one : one + 1], marked[one : one + 1]
with torch.no_grad():
    answers = {name: (torch.sigmoid(model.eval()(images))[0, 0] * squares[0]).numpy() for name, model in models.items()}
    before, block = models["with a non-local block"][:2], models["with a non-local block"][2]
    weights = block(before(images), return_nl_map=True)[1][0]

y, x = np.argwhere(marked[0].numpy())[5]
# sphinx_gallery_thumbnail_number = 2
fig, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
shown = {
    "image": (images[0, 0] - images[0, 1]).numpy(),
    "to be marked": marked[0].numpy(),
    "convolutions": answers["convolutions"],
    "with a block": answers["with a non-local block"],
    "weights of one pixel": weights[18 * y + x].reshape(18, 18).numpy(),
}
for ax, (name, image) in zip(axes, shown.items(), strict=True):
    white = image.max() if ax is axes[-1] else 1
    ax.imshow(image, cmap="PuOr" if ax is axes[0] else "magma", vmin=-1 if ax is axes[0] else 0, vmax=white)
    ax.set(title=name, xticks=[], yticks=[])
    if ax in (axes[0], axes[-1]):
        ax.plot(x, y, "s", color="C1", fillstyle="none", markersize=10)
plt.show()
