"""Methods of this package: one module each, named as ``method=`` calls it, with an object ``METHOD``."""
