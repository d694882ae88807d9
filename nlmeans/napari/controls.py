"""The controls: what the noise is, by which method and how strongly it is removed."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QSlider, QWidget

from nlmeans.extend import NoiseModel, method_names, method_of

from .settings import MODELS, NUMBERS, Number, Settings, numbers_of

STEPS = 200
LEAST, MOST = 0.05, 2.0
"""Strengths at the ends of the slider, on which each step is the same ratio."""
SHORT = {"sigma": "σ"}


class Controls(QWidget):
    """Shows `Settings`, and tells of each change."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.noise = QComboBox()
        self.noise.addItems(list(MODELS))
        self.noise.setToolTip(
            "Gaussian: as strong everywhere. Poisson-Gaussian: photon counts, microscopes. Rician: MRI magnitudes. "
            "camera: processed photographs. automatic: chosen from the image."
        )
        self.estimated = QCheckBox("estimated")
        self.estimated.setChecked(True)
        self.estimated.setToolTip("Estimate from the image; type numbers to set them yourself.")
        self.numbers: dict[str, QLineEdit] = {}
        self.method = QComboBox()
        self.quality = QComboBox()
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, STEPS)
        self.strength.setToolTip("h/σ: further right smooths more.")
        self.strength_shown = QLabel("–")
        self.strength_shown.setMinimumWidth(self.fontMetrics().horizontalAdvance("0.000"))
        self.chosen = QCheckBox("auto")
        self.chosen.setChecked(True)
        self.chosen.setToolTip("Choose the strength from the noise; move the slider to set it yourself.")
        self.method.addItems(list(method_names()))
        self.method.setCurrentText(Settings().method)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow("noise", self.noise)
        self._form.addRow("", self.estimated)
        for name in dict.fromkeys(name for names in NUMBERS.values() for name in names):
            self.numbers[name] = edit = QLineEdit()
            edit.setToolTip("In the image's units; one number, or one for each channel, such as 9.5, 8, 11.")
            edit.textEdited.connect(self._edited)
            self._form.addRow(SHORT.get(name, name), edit)
        self._form.addRow("method", self.method)
        self._form.addRow("quality", self.quality)
        strength = QHBoxLayout()
        strength.addWidget(self.strength, 1)
        strength.addWidget(self.strength_shown)
        strength.addWidget(self.chosen)
        self._form.addRow("strength", strength)
        self._list_qualities()
        self._show_numbers()
        self.noise.currentTextChanged.connect(self._other_noise)
        self.estimated.toggled.connect(lambda _: self.changed.emit())
        self.method.currentTextChanged.connect(self._other_method)
        self.quality.currentTextChanged.connect(lambda _: self.changed.emit())
        self.strength.valueChanged.connect(self._moved)
        self.chosen.toggled.connect(lambda _: self.changed.emit())

    def settings(self) -> Settings:
        """Return what is chosen; raise `ValueError` for numbers that cannot be read."""
        names = NUMBERS[self.noise.currentText()]
        numbers = None
        if names and not self.estimated.isChecked():
            numbers = {name: read(self.numbers[name].text(), SHORT.get(name, name)) for name in names}
        strength = None if self.chosen.isChecked() else round(strength_at(self.strength.value()), 3)
        return Settings(
            self.noise.currentText(), numbers, self.method.currentText(), self.quality.currentText(), strength
        )

    def show_model(self, model: NoiseModel) -> None:
        """Show the numbers that were estimated."""
        if not self.estimated.isChecked():
            return
        numbers = numbers_of(self.noise.currentText(), model) or {}
        for name, edit in self.numbers.items():
            value = numbers.get(name)
            edit.setText("" if value is None else shown(value))

    def show_strength(self, strength: float | None) -> None:
        """Show the strength that was chosen from the noise, or None where there is no such number."""
        if self.chosen.isChecked():
            self.strength_shown.setText("–" if strength is None else f"{strength:.3g}")
            if strength is not None:
                with QSignalBlocker(self.strength):
                    self.strength.setValue(step_of(strength))

    def _edited(self, _: str) -> None:
        with QSignalBlocker(self.estimated):
            self.estimated.setChecked(False)
        self.changed.emit()

    def _other_noise(self, _: str) -> None:
        with QSignalBlocker(self.estimated):
            self.estimated.setChecked(True)
        self._show_numbers()
        self.changed.emit()

    def _other_method(self, _: str) -> None:
        self._list_qualities()
        self.changed.emit()

    def _moved(self, step: int) -> None:
        with QSignalBlocker(self.chosen):
            self.chosen.setChecked(False)
        self.strength_shown.setText(f"{strength_at(step):.3g}")
        self.changed.emit()

    def _show_numbers(self) -> None:
        names = NUMBERS[self.noise.currentText()]
        for name, edit in self.numbers.items():
            edit.clear()
            edit.setVisible(name in names)
            self._form.labelForField(edit).setVisible(name in names)
        self.estimated.setEnabled(bool(names))

    def _list_qualities(self) -> None:
        """List the qualities that the method has, and let its strength be set where it has one."""
        try:
            method = method_of(self.method.currentText())
        except Exception as error:  # what a method needs may not be installed: it is said where it is used
            self.quality.setToolTip(str(error))
            return
        before = self.quality.currentText() or Settings().quality
        with QSignalBlocker(self.quality):
            self.quality.clear()
            self.quality.addItems(
                [name for name in ("preview", "fast", "balanced", "best") if name in method.qualities]
            )
            self.quality.setCurrentText(before if before in method.qualities else Settings().quality)
        for part in (self.strength, self.strength_shown, self.chosen):
            part.setEnabled("strength" in method.options)


def strength_at(step: int) -> float:
    """Return the strength at a step of the slider."""
    return float(LEAST * (MOST / LEAST) ** (step / STEPS))


def step_of(strength: float) -> int:
    """Return the step of the slider for a strength."""
    return round(STEPS * math.log(strength / LEAST) / math.log(MOST / LEAST))


def read(text: str, name: str) -> Number:
    """Return a number, or several, as they are typed."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"{name} must be a number, or one for each channel, such as 9.5, 8, 11; got {text!r}"
        ) from None
    return values[0] if len(values) == 1 else values


def shown(value: Number) -> str:
    """Return a number, or several, as they are shown."""
    return ", ".join(f"{v:.4g}" for v in value) if isinstance(value, tuple) else f"{value:.4g}"
