"""Make the pictures of `docs/napari.md`, in a real window: xvfb-run -s "-screen 0 1400x900x24" python FILE.

They show pictures that come with scikit-image, with noise of known strength.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

os.environ.setdefault("NAPARI_CONFIG", "")  # as it looks for whoever has just installed it

import napari
from qtpy.QtWidgets import QApplication

from nlmeans.napari.widget import Denoise

FOLDER = Path(__file__).resolve().parents[1] / "images" / "napari"
SIZE = 1180, 780
MOST = 300_000
"""Bytes of a picture."""


def opened(pixels: np.ndarray, name: str, **given: object) -> tuple[napari.Viewer, Denoise]:
    """Return a window with an image and the widget."""
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(*SIZE)
    viewer.add_image(pixels, name=name, **given)
    widget = Denoise(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise (nlmeans)")
    settled(widget)
    return viewer, widget


def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window work until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        QApplication.instance().processEvents()
        time.sleep(0.005)


def settled(widget: Denoise) -> None:
    """Wait until the preview shows what is set."""
    until(lambda: not widget._timer.isActive() and not widget._previews.busy)
    end = time.monotonic() + 1
    until(lambda: time.monotonic() > end)
    until(lambda: not widget._timer.isActive() and not widget._previews.busy)


def saved(viewer: napari.Viewer, name: str) -> None:
    """Write what the window shows, in few colours."""
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)[..., :3])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for colours in (256, 128, 64, 32):
        picture.quantize(colours, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)
        if (FOLDER / name).stat().st_size < MOST:
            break
    viewer.close()


def main() -> None:
    """Make all pictures."""
    rng = np.random.default_rng(0)
    camera = np.clip(data.camera() + rng.normal(0, 20, (512, 512)), 0, 255).astype(np.uint8)
    viewer, widget = opened(camera, "camera")
    viewer.scene.camera.zoom = 2.2
    viewer.scene.camera.center = (0, 170, 260)
    settled(widget)
    shown = viewer.layers["preview of camera"]
    shown.data = shown.data[:, : shown.data.shape[1] // 2]
    saved(viewer, "widget.png")

    counts = rng.poisson(data.coins() / 4.0).astype(np.uint16)
    viewer, widget = opened(counts, "coins")
    widget.controls.noise.setCurrentText("Poisson-Gaussian")
    settled(widget)
    saved(viewer, "poisson.png")

    viewer, widget = opened(camera, "camera")
    widget.live.setChecked(False)
    widget.point.setChecked(True)
    viewer.scene.camera.zoom = 9
    viewer.scene.camera.center = (0, 250, 294)
    settled(widget)
    widget._weights.follow(viewer, type("Event", (), {"position": (250.0, 294.0)}))
    until(lambda: not widget._weights.worker.busy)
    saved(viewer, "weights.png")


if __name__ == "__main__":
    main()
