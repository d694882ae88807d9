#!/bin/sh
# SimpleITK 2.5.7: a MetaImage that is read and written has lost its Modality, its Comment and its ElementMin and
# ElementMax, though it keeps fields of a user's own; Modality is in the image's metadata all the while.
#
# Guess, before it was tried: fields that MetaIO knows come back as they were, since each has a member in its classes, and
# those of a user's own are the ones in danger.
# Behaviour: it is the other way round. "MyField" comes back; "Modality = MET_MOD_CT" is read into the metadata, and not
# written; Comment, ElementMin and ElementMax are neither in the metadata nor written.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet SimpleITK==2.5.7
cd "$place"
"$place/venv/bin/python" - <<'PY'
import SimpleITK as sitk

print("SimpleITK", sitk.Version.VersionString())
fields = {
    "ObjectType": "Image", "NDims": "2", "Comment": "as the scanner said", "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False", "CompressedData": "False", "ElementSpacing": "0.5 0.7", "DimSize": "4 5",
    "Modality": "MET_MOD_CT", "MyField": "of mine", "ElementMin": "0", "ElementMax": "9", "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
text = "".join(f"{name} = {value}\n" for name, value in fields.items())
open("a.mha", "wb").write(text.encode() + bytes(40))
image = sitk.ReadImage("a.mha")
known = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
print("in the metadata:", known)
sitk.WriteImage(image, "b.mha")
head = open("b.mha", "rb").read().partition(b"LOCAL")[0].decode()
written = [line.partition(" = ")[0] for line in head.splitlines()]
lost = [name for name in fields if name not in written]
print("lost:", lost)
assert known["Modality"] == "MET_MOD_CT"
assert "MyField" in written
assert lost == ["Comment", "Modality", "ElementMin", "ElementMax"], lost
PY
