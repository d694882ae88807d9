"""CPUs that a process may use: those of its affinity, as far as the quota of its control groups goes."""

import os

import pytest

from nlmeans.pairwise import tiles


def grouped(root, lines, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"}, [1.5]),
        ("0::/a/b\n", {"sys/fs/cgroup/a/cpu.max": "50000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, [0.5]),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "400000 100000\n"}, [4.0]),
        (
            "4:cpu,cpuacct:/docker/x\n3:memory:/m\n",
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            [2.0],
        ),
        ("4:cpu:/\n", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "1"}, []),
        ("0::/a\nnonsense\n", {"sys/fs/cgroup/a/cpu.max": "what"}, []),
    ],
)
def test_the_quota_of_control_groups_is_read(tmp_path, lines, files, expected):
    assert list(tiles._quotas(grouped(tmp_path, lines, files))) == expected


def test_threads_are_no_more_than_the_quota(tmp_path, monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(tiles, "_quota", lambda _: 3)
    assert tiles.available_cpus() == 3
    monkeypatch.setattr(tiles, "_quota", lambda _: tiles.sys.maxsize)
    assert tiles.available_cpus() == 16
    assert list(tiles._quotas(tmp_path / "gone")) == []
