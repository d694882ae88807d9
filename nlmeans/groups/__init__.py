"""Groups of similar patches, each replaced by the linear combinations of them that are expected to err least."""
