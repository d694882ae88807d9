"""Tables read the results of the last version that was measured."""

import json

import pytest

from benchmarks.harness import environment, schema
from benchmarks.harness.published import Published


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "own_version", lambda: "0.10.0.dev1")
    monkeypatch.setattr(schema, "results", lambda place, pattern: _read(place))
    for version, studies, suites in (
        ("0.2.0", ["sure", "tune"], ["speed", "quality"]), ("0.9.1", ["sure"], ["speed"]), ("0.10.0", [], []),
        ("0.11.0", ["sure", "tune"], ["speed"]), ("notes", ["sure"], []),
    ):  # fmt: skip
        (tmp_path / version).mkdir()
        for study in studies:
            (tmp_path / version / f"{study}.json").write_text(json.dumps({"of": version}), encoding="utf-8")
        (tmp_path / version / "suites.txt").write_text("\n".join(suites), encoding="utf-8")
    return Published(tmp_path)


def _read(place):
    suites = (place / "suites.txt").read_text(encoding="utf-8").split()
    return [{"suite": suite, "date": "2026", "machine": {"cpu": "one"}, "of": place.name} for suite in suites]


def test_each_suite_and_study_is_read_from_the_last_version_that_has_it(results):
    assert [place.name for place in results.places] == ["0.10.0", "0.9.1", "0.2.0"]  # none of what is to come
    assert results.study("sure") == {"of": "0.9.1"}
    assert results.study("tune") == {"of": "0.2.0"}
    assert [result["of"] for result in results.latest("speed")] == ["0.9.1"]
    assert [result["of"] for result in results.latest("quality")] == ["0.2.0"]
    assert results.latest("real") == []
    with pytest.raises(FileNotFoundError, match="no version up to"):
        results.study("noise")


def test_this_version_finds_results():
    assert any(sorted(place.glob("*/speed.json")) for place in Published().places)
    assert Published().study("sure")


def test_decibels_are_of_the_last_version_that_has_a_method_and_times_of_the_last_that_was_timed(tmp_path, monkeypatch):
    def result(date, untimed, **decibels):
        methods = [{"name": name, "status": "measured", "measures": {"psnr": own}} for name, own in decibels.items()]
        methods.append({"name": "absent", "status": "skipped", "measures": {}})
        case = {"name": "Set12-25", "threads": 1, "methods": methods}
        marked = {"untimed": True} if untimed else {}
        return {"suite": "quality", "date": date, "machine": {"cpu": "one"}, "cases": [case], **marked}

    found = {
        "0.1.0": [result("1", False, old=1, both=1)],
        "0.2.0": [result("3", True, both=3), result("2", True, both=2, new=2)],
    }
    monkeypatch.setattr(environment, "own_version", lambda: "0.2.0")
    monkeypatch.setattr(schema, "results", lambda place, pattern: found[place.name])
    for version in found:
        (tmp_path / version).mkdir()
    results = Published(tmp_path)
    methods = results.lasting("quality")["Set12-25"]["methods"]
    assert {method["name"]: method["measures"]["psnr"] for method in methods} == {"old": 1, "both": 3, "new": 2}
    assert results.latest("quality") == found["0.1.0"]
