"""What the classifier looks at, drawn and measured: ``python -m nonlocal_block.maps`` is the command line of it."""
