"""Random calls of the public functions, in small: ``python -m tests.campaigns.calls`` makes thousands."""

from campaigns import calls


def test_random_calls_break_no_rule():
    kinds = [(make, weight) for make, weight in calls.KINDS if make not in (calls.lazy, calls.learned)]
    breaches, counts = calls.run(range(60), kinds)
    assert sum(counts.values()) == 60
    assert not breaches, "\n".join(breaches)
