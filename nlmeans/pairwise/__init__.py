"""The pairwise-weighting core: y_i = 1/C_i · Σ_j f(s_ij) · g_j over a window around each pixel."""
