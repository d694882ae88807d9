"""The only callers of Numba: how kernels are compiled, and vectors and blocks of numbers in registers."""
