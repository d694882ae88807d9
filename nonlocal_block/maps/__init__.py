"""What the classifier attends to, drawn and measured; the command is ``python -m nonlocal_block.maps``."""
