"""Tuning in a Jupyter notebook: controls, a live preview, and the call that does the same."""

# What these need is imported when they are used.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
