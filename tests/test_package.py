"""What a release says and holds, as far as it shows without a build: `.ci/release` does the rest."""

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import packages
import pytest

import nlmeans

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_all_that_names_the_version_names_the_same():
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "nlmeans/_version.py"
    assert re.search(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE)[1] == nlmeans.__version__
    releases = re.findall(r"^## (\d\S*) - (\d{4}-\d\d-\d\d)$", text("CHANGELOG.md"), re.MULTILINE)
    assert releases[0][0] == nlmeans.__version__
    assert re.search(r"^date-released: (.*)$", text("CITATION.cff"), re.MULTILINE)[1] == releases[0][1]


def test_the_wheel_holds_the_packages_alone():
    assert {"packages": list(packages.PACKAGES)} == WHEEL
    expected = packages.expected()
    assert {"nlmeans/py.typed", "nlmeans/__init__.pyi", "nlmeans/show/page/templates/base.html"} <= expected
    assert len([name for name in expected if name.endswith(".safetensors")]) >= 3
    assert not [name for name in expected if "test" in name.split("/")]


def test_what_a_wheel_is_made_of_is_committed():
    done = subprocess.run(["git", "-C", ROOT, "ls-files", *packages.PACKAGES], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no checkout")
    assert packages.expected() <= set(done.stdout.splitlines())


def test_faults_of_packages_are_found(tmp_path):
    good = {name: b"" for name in packages.expected()}

    def wheel(name, files):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        return tmp_path / name

    def found(files, other):
        sdist = tmp_path / "a.tar.gz"
        with packages.tarfile.open(sdist, "w:gz") as archive:
            archive.add(ROOT / "LICENSE", "a-1/LICENSE")
        wheels = wheel("a.whl", files), wheel("b.whl", other)
        return [line for line in packages.problems(wheels[0], sdist, wheels[1]) if "sdist" not in line]

    assert found(good, good) == []
    assert found(good | {"tests/test_a.py": b""}, good | {"tests/test_a.py": b""}) == ["the wheel has tests/test_a.py"]
    less = {name: content for name, content in good.items() if name != "nlmeans/py.typed"}
    assert found(less, less) == ["the wheel lacks nlmeans/py.typed"]
    assert found(good, good | {"nlmeans/io.py": b"x"}) == ["wheels differ in nlmeans/io.py"]


def test_extras_name_what_messages_ask_for():
    extras = PROJECT["project"]["optional-dependencies"]
    asked = set()
    for package in packages.PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            asked |= set(re.findall(r"nlmeans\[([a-z]+)\]", path.read_text(encoding="utf-8")))
    assert asked <= set(extras)
    assert "notebook" in asked


def test_pages_of_the_project_say_nothing_of_persons():
    for name in ("SECURITY.md", "CITATION.cff", "docs/contribute/release.md"):
        assert "@" not in text(name)
