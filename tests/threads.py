"""One thread for torch."""

from contextlib import contextmanager

import pytest


@contextmanager
def one_thread():
    """Leave the processors to others: on busy ones, torch's threads that wait for each other take much longer."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
