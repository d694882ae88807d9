"""The dock widget."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Shapes
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from . import call
from .controls import Controls
from .files import PICTURE
from .layers import OURS, LayerBox
from .look import Look, Looked
from .plot import NoisePlot
from .result import look, place
from .scene import scene_of
from .subject import Subject, choices, is_lazy, subject_of
from .weights import Weights
from .worker import STEPS, Job, Worker

PAUSE = 30
"""Milliseconds between a change and the preview of it; changes in between are taken together."""
WIDTH = 300
"""Pixels that the controls need."""
VISIBLE = "what is visible"


class Denoise(QWidget):
    """Tunes `nlmeans.denoise` by eye, and runs it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Whose layers are denoised.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.layer = LayerBox(napari_viewer, lambda one: isinstance(one, Image) and OURS not in one.metadata)
        self.layer.choose(napari_viewer.layers.selection.active)
        self.axes = QComboBox()
        self.axes.setToolTip("Y, X and C channels; Z depth, T time, N separate images. Averages go over Z, and over T.")
        self.mask = LayerBox(napari_viewer, lambda one: isinstance(one, Labels), "all pixels")
        self.mask.setToolTip("Labels that say which pixels count: those that are not 0.")
        self.region = LayerBox(napari_viewer, lambda one: isinstance(one, Shapes), VISIBLE)
        self.region.setToolTip("Where to preview: what is visible, or what the shapes of a layer enclose.")
        self.controls = Controls()
        self.live = QCheckBox("live preview")
        self.live.setChecked(True)
        self.spent = QLabel()
        self.point = QCheckBox("weights of the pixel under the cursor")
        self.plot = NoisePlot()
        self.start = QPushButton("Denoise")
        self.stop = QPushButton("Cancel")
        self.stop.setEnabled(False)
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.bar.setVisible(False)
        self.python = QPushButton("Copy as Python")
        self.command = QPushButton("Copy as command")
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._arrange()
        self._previews, self._runs = Worker(self), Worker(self)
        self._look = Look()
        self._shown: Any = None
        self._away = False
        self._followed: list[tuple[Any, Any]] = []
        self._weights = Weights(napari_viewer, self._weighed, self.say)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self._preview)
        self._connect()
        self._other_layer()

    # what the user does

    def subject(self) -> Subject | None:
        """Return what is to be denoised; None where no layer is chosen."""
        layer = self.layer.layer
        if layer is None or not self.axes.currentText():
            return None
        return subject_of(layer, self.axes.currentText(), self.mask.layer)

    def run(self) -> None:
        """Denoise the whole image, in a thread."""
        layer = self.layer.layer
        try:
            subject, settings = self.subject(), self.controls.settings()
        except ValueError as error:
            self.say(error)
            return
        if subject is None:
            self.say(self._why_not())
            return
        lazy = any(map(is_lazy, subject.levels))
        self.bar.setRange(0, 0 if lazy else STEPS)
        self.bar.setValue(0)
        self._working(True)
        self.say("")
        self._runs.submit(
            Job(
                partial(call.denoised, subject, settings),
                partial(self._finished, layer, settings, time.monotonic()),
                self._failed,
                self.bar.setValue,
                lambda: self._ended("cancelled"),
            )
        )

    def cancel(self) -> None:
        """Stop the work on the whole image."""
        self._runs.cancel()
        self.say("stopping …")

    def copy_python(self) -> str:
        """Put lines of Python that make the same layer on the clipboard."""
        return self._copy(lambda subject, settings, _: call.as_python(subject, settings))

    def copy_command(self) -> str:
        """Put the command that does the same with the layer's file on the clipboard."""
        return self._copy(call.as_command)

    def say(self, what: object) -> None:
        """Show a line of text: a remark, or what went wrong."""
        self.said.setText(str(what))

    # what follows from it

    def _copy(self, made: Any) -> str:
        try:
            subject, settings = self.subject(), self.controls.settings()
        except ValueError as error:
            self.say(error)
            return ""
        if subject is None:
            self.say(self._why_not())
            return ""
        text = str(made(subject, settings, self.layer.layer.source.path))
        QApplication.clipboard().setText(text)
        self.say("copied")
        return text

    def _why_not(self) -> str:
        layer = self.layer.layer
        if layer is None:
            return "open an image first"
        return f"an image must have 2 to 5 dimensions; got {layer.ndim}"

    def _finished(self, layer: Any, settings: Any, since: float, levels: list[Any]) -> None:
        data = levels if layer.multiscale else levels[0]
        kept = {key: value for key, value in layer.metadata.items() if key == PICTURE}
        self.viewer.add_image(
            data,
            name=f"{layer.name} denoised",
            multiscale=layer.multiscale,
            metadata=kept,
            **place(layer),
            **look(layer),
        )
        self.live.setChecked(False)
        lazy = any(map(is_lazy, levels))
        self._ended("denoised where it is looked at" if lazy else f"done in {time.monotonic() - since:.2g} s")

    def _failed(self, error: Exception) -> None:
        self._ended(error)

    def _ended(self, what: object) -> None:
        self._working(self._runs.busy)
        self.say(what)

    def _working(self, on: bool) -> None:
        self.start.setEnabled(not on)
        self.stop.setEnabled(on)
        self.bar.setVisible(on)

    def _other_layer(self, _: Any = None) -> None:
        for event, heard in self._followed:
            event.disconnect(heard)
        self._followed.clear()
        layer = self.layer.layer
        self.axes.blockSignals(True)
        self.axes.clear()
        if layer is not None:
            self.axes.addItems(choices(layer))
            for event, heard in ((layer.events.data, self._other_data), (layer.events.set_data, self.later)):
                event.connect(heard)
                self._followed.append((event, heard))
        self.axes.blockSignals(False)
        self._other_data()

    def _other_data(self, _: Any = None) -> None:
        self._look.forget()
        self.plot.show_fit(None)
        self.later()

    def later(self, _: Any = None) -> None:
        """Preview soon: many changes in a short time make one."""
        if not self._timer.isActive():
            self._timer.start()

    def _preview(self) -> None:
        if self._away:
            return
        if not self.live.isChecked():
            self._previews.cancel()
            self._hide()
            return
        layer = self.layer.layer
        try:
            subject, settings = self.subject(), self.controls.settings()
            scene = None if subject is None else scene_of(self.viewer, layer, subject, self.region.layer)
        except ValueError as error:
            self.say(error)
            return
        if subject is None or scene is None:
            self._previews.cancel()
            self._hide()
            self.say("" if self.layer.layer is None or subject is not None else self._why_not())
            return
        self.spent.setText("…")
        self._previews.submit(
            Job(
                partial(self._look.at, subject, settings, scene),
                partial(self._see, layer),
                self._unseen,
            )
        )

    def _see(self, layer: Any, looked: Looked) -> None:
        """Show a preview, if its layer is still there."""
        if layer not in self.viewer.layers or not self.live.isChecked() or self._away:
            return
        self.controls.show_model(looked.fit.noise.model)
        self.controls.show_strength(looked.strength)
        self.plot.show_fit(looked.fit)
        self.spent.setText(f"{1000 * looked.seconds:.0f} ms")
        self.say("\n".join(looked.notes))
        given = place(layer, looked.start)
        if self._shown is None or self._shown not in self.viewer.layers or self._shown.rgb != layer.rgb:
            self._hide()
            self._shown = self._add(looked.pixels, f"preview of {layer.name}", **given, **look(layer))
            return
        shown = self._shown
        shown.data = looked.pixels
        shown.translate = given["translate"]

    def _add(self, pixels: np.ndarray, name: str, **given: Any) -> Any:
        """Add a layer that is not chosen by being added."""
        active = self.viewer.layers.selection.active
        added = self.viewer.add_image(pixels, name=name, metadata={OURS: "preview"}, **given)
        self.viewer.layers.selection.active = active
        return added

    def _unseen(self, error: Exception) -> None:
        self._hide()
        self.say(error)

    def _hide(self) -> None:
        """Take the preview away."""
        if self._shown is not None and self._shown in self.viewer.layers:
            self.viewer.layers.remove(self._shown)
        self._shown = None
        self.spent.clear()

    def _weighed(self) -> Any:
        """Return what weights are shown of: layer, subject, settings, and the fitted noise if there is one."""
        subject = self.subject()
        return None if subject is None else (self.layer.layer, subject, self.controls.settings(), self._look)

    # how it is put together

    def _arrange(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, field in (("image", self.layer), ("axes", self.axes), ("mask", self.mask), ("tune on", self.region)):
            form.addRow(name, field)
        column.addLayout(form)
        column.addWidget(self.controls)
        live = QHBoxLayout()
        live.addWidget(self.live, 1)
        live.addWidget(self.spent)
        column.addLayout(live)
        column.addWidget(self.point)
        column.addWidget(self.plot)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        inside.setMinimumWidth(WIDTH)
        area.setMinimumWidth(WIDTH + area.verticalScrollBar().sizeHint().width())
        outer = QVBoxLayout(self)
        outer.addWidget(area, 1)
        for pair in ((self.start, self.stop), (self.python, self.command)):
            row = QHBoxLayout()
            for button in pair:
                row.addWidget(button)
            outer.addLayout(row)
        outer.addWidget(self.bar)
        outer.addWidget(self.said)

    def _connect(self) -> None:
        self.layer.currentIndexChanged.connect(self._other_layer)
        for box in (self.axes, self.mask):
            box.currentIndexChanged.connect(self._other_data)
        self.region.currentIndexChanged.connect(self.later)
        self.controls.changed.connect(self.later)
        self.live.toggled.connect(self.later)
        self.point.toggled.connect(self._weights.turn)
        self.start.clicked.connect(self.run)
        self.stop.clicked.connect(self.cancel)
        self.python.clicked.connect(self.copy_python)
        self.command.clicked.connect(self.copy_command)
        camera = getattr(self.viewer, "scene", self.viewer).camera.events  # napari 0.9 has moved it
        dims = self.viewer.dims.events
        for event in (camera.center, camera.zoom, dims.current_step, dims.ndisplay, dims.order):
            event.connect(self.later)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Preview again."""
        super().showEvent(event)
        self._away = False
        self.later()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Leave the viewer alone while nobody sees the controls; work on a whole image goes on."""
        super().hideEvent(event)
        if event is not None and not event.spontaneous():
            self._away = True
            self._timer.stop()
            self._previews.cancel()
            self.point.setChecked(False)
            self._hide()
