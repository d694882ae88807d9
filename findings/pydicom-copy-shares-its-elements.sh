#!/bin/sh
# pydicom 3.0.2: what is deleted from, or added to, the copy of a dataset is so in the dataset itself.
#
# Guess, before it was tried: `Dataset.copy()` ("a shallow copy") is like that of a dict: the copy holds the same
# elements, and deleting one of them, or adding another, leaves the original as it was.
# Behaviour: a dataset, read or made, and its copy by .copy() or copy.copy(), share one dictionary of elements:
# `del copy.PatientName` deletes the name in the original, and a new element appears in both. What copy.deepcopy returns
# is apart, as one expects.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet pydicom==3.0.2
cd "$place"
"$place/venv/bin/python" - <<'PY'
import copy

import pydicom
from pydicom.data import get_testdata_file

print("pydicom", pydicom.__version__)
path = get_testdata_file("CT_small.dcm", download=False)
for how, function in (("Dataset.copy()", pydicom.Dataset.copy), ("copy.copy", copy.copy), ("copy.deepcopy", copy.deepcopy)):
    original = pydicom.dcmread(path)
    other = function(original)
    del other.PatientName
    other.PatientComments = "of the copy alone"
    shared = ("PatientName" not in original, "PatientComments" in original)
    print(f"{how}: deleted in the original too: {shared[0]}; added to it too: {shared[1]}")
    assert shared == ((False, False) if how == "copy.deepcopy" else (True, True)), (how, shared)
made = pydicom.Dataset()
made.PatientID = "7"
other = made.copy()
del other.PatientID
print("a dataset that was made: deleted in the original too:", "PatientID" not in made)
assert "PatientID" not in made
PY
