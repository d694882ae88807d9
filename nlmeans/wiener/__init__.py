"""The Wiener step: what an average of pixels left of the noise, taken out window by window in the cosine domain."""
