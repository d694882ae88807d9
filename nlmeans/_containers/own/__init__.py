"""Kinds of containers, one a file; to add one is to add a file and its name to the table."""
