"""Benchmarks: answers are checked, then time is taken, for this library and for what one would use instead.

Folders are floors, each of which imports from those below it alone: ``harness`` (cases, judges, methods, clocks, result
files), ``peers`` (who is measured, and with which settings), ``suites`` (what is measured), ``studies`` (commands of
their own), ``present`` (tables, charts, the page); the command line stands on top. A peer, a suite or a study is a file
in its folder: what a module offers is known by its place, and listed nowhere.
"""

import os

# scikit-image asks this while it is imported: a peer must never be this library behind a dispatcher.
os.environ["SKIMAGE_NO_DISPATCHING"] = "1"
