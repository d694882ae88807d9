#!/bin/sh
# torch 2.13.0: the second derivative of a function that is marked once_differentiable is too small and no error, if it
# is asked for by torch.autograd.grad and another path has one.
#
# Guess, before it was tried: differentiating twice raises "trying to differentiate twice a function that was marked
# with @once_differentiable", whoever asks.
# Behaviour: .backward() raises it. torch.autograd.grad(first, x) walks only the paths that lead to x, and the node that
# would raise leads nowhere: what goes through the function is left out, and the rest, here 2 of 482, is returned.
# Where the gradient that comes in does not depend on x, the node is not even made, and .backward() says 2 of 14.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet torch==2.13.0
"$place/venv/bin/python" -W ignore - <<'PY'
import torch
from torch.autograd.function import once_differentiable


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return gradient * 3 * ctx.saved_tensors[0] ** 2


def first(function):
    x = torch.tensor(2.0, dtype=torch.double, requires_grad=True)
    return x, torch.autograd.grad(function(x), x, create_graph=True)[0]


print("torch", torch.__version__)
x, slope = first(lambda x: Cube.apply(x) ** 2 + x**2)  # x^6 + x^2: the second derivative is 30 x^4 + 2
second = torch.autograd.grad(slope, x)[0].item()
print("x^6 + x^2 at 2 by grad:", second, "for", 30 * 2**4 + 2)
assert second == 2.0
x, slope = first(lambda x: Cube.apply(x) ** 2 + x**2)
try:
    slope.backward()
    raise AssertionError("no error")
except RuntimeError as error:
    print("by backward:", error)
    assert "twice" in str(error)
x, slope = first(lambda x: Cube.apply(x) + x**2)  # 6 x + 2
slope.backward()
print("x^3 + x^2 at 2 by backward:", x.grad.item(), "for", 6 * 2 + 2)
assert x.grad.item() == 2.0
PY
