"""What a wheel and an sdist hold: ``python tests/packages.py DIST CHECKOUT``, as `.ci/release` runs it.

DIST has the sdist and the wheel that was built from it, CHECKOUT a wheel that was built from the checkout.
"""

import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGES = ("nlmeans", "nonlocal_block")
ROOT = Path(__file__).resolve().parents[1]
NEEDED = (".py", ".pyi", ".typed", ".html", ".css", ".js", ".json", ".safetensors", ".yaml")
"""Endings of files of a package that must come along."""


def expected(root=ROOT):
    """Return the files of the packages that a wheel has, as paths in it."""
    files = (path for name in PACKAGES for path in (root / name).rglob("*") if path.suffix in NEEDED)
    return {path.relative_to(root).as_posix() for path in files if "__pycache__" not in path.parts}


def strangers(names):
    """Return what a wheel must not have: all that is no package and no metadata."""
    return sorted(name for name in names if name.split("/")[0] not in PACKAGES and ".dist-info/" not in name)


def contents(wheel):
    """Return the files of a wheel and their bytes; RECORD names them all again."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def problems(wheel, sdist, other):
    """Yield what is wrong with the packages."""
    files = contents(wheel)
    yield from (f"the wheel lacks {name}" for name in sorted(expected() - set(files)))
    yield from (f"the wheel has {name}" for name in strangers(files))
    again = contents(other)
    yield from (f"wheels differ in {name}" for name in sorted(set(files) ^ set(again)))
    yield from (f"wheels differ in {name}" for name in sorted(files) if files[name] != again.get(name, files[name]))
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "SECURITY.md", "pyproject.toml"):
        if name not in names:
            yield f"the sdist lacks {name}"
    yield from (f"the sdist lacks {name}" for name in sorted(expected() - names))


def main(dist, checkout):
    """Check the packages; 1 if something is wrong."""
    (wheel,), (sdist,), (other,) = Path(dist).glob("*.whl"), Path(dist).glob("*.tar.gz"), Path(checkout).glob("*.whl")
    found = list(problems(wheel, sdist, other))
    print("\n".join(found) or f"{wheel.name}: {len(contents(wheel))} files, {wheel.stat().st_size / 2**20:.1f} MiB")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
