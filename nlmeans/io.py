"""Picture files, read and written: the public name of `nlmeans.formats`."""

from .formats import MAX_PIXELS, Picture, PictureError, check, check_target, read, write

__all__ = ["MAX_PIXELS", "Picture", "PictureError", "check", "check_target", "read", "write"]
