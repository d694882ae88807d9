"""Training, one task a module: ``python -m nonlocal_block.train`` is the command line of it."""
