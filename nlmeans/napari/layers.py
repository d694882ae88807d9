"""Boxes that list layers of a viewer, as these come, go and are renamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

OURS = "nlmeans"
"""Key in the metadata of layers that are made anew all the time, and are not offered."""


class LayerBox(QComboBox):
    """A choice of layers.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers.
    takes : callable
        Whether a layer is offered.
    without : str, optional
        What is offered besides: none of them.
    """

    def __init__(
        self, viewer: Any, takes: Callable[[Any], bool], without: str | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._takes, self._without = viewer, takes, without
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.refresh()
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self.refresh)

    @property
    def layer(self) -> Any:
        """The chosen layer; None where there is none."""
        return self.currentData()

    def choose(self, layer: Any) -> None:
        """Choose a layer, if it is offered."""
        for k in range(self.count()):
            if self.itemData(k) is layer:
                self.setCurrentIndex(k)

    def refresh(self, event: Any = None) -> None:
        """List the layers as they are now; the choice stays, where its layer is still there."""
        before = self.layer
        offered = [layer for layer in self._viewer.layers if self._takes(layer)]
        with QSignalBlocker(self):
            self.clear()
            if self._without is not None:
                self.addItem(self._without, None)
            for layer in offered:
                self.addItem(layer.name, layer)
                layer.events.name.disconnect(self.refresh)
                layer.events.name.connect(self.refresh)
            kept = [k for k in range(self.count()) if self.itemData(k) is before]
            self.setCurrentIndex(kept[0] if kept else self.count() - 1 if self._without is None else 0)
        if self.layer is not before:
            self.currentIndexChanged.emit(self.currentIndex())
