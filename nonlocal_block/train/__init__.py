"""Training, a module for each task; the command is ``python -m nonlocal_block.train``."""
