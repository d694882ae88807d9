"""Pictures of what was done: weights, metrics, pages."""
