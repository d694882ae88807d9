"""Noise: its models, and their estimation from one image.

These modules need NumPy alone.
"""

# Most calls need one of the models; the stub says where each name comes from.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
