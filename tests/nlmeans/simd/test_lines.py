"""The campaign that changes lines: what it changes."""

from campaigns.lines import mutants

SOURCE = '''
def add(a, b):
    """Add."""
    total = a + b
    if total < 3:
        total += 1
    store(total)
    return total
'''


def test_every_statement_is_changed():
    made = [(line, text) for line, text, _ in mutants(SOURCE)]
    assert {line for line, _ in made} == {4, 5, 6, 7}
    changed = [source for _, _, source in mutants(SOURCE)]
    for text in ("total = a - b", "total = a + a", "if total <= 3:", "if total < 4:", "total -= 1", "total += 2"):
        assert any(text in source for source in changed), text
    assert any("store(total)" not in source for source in changed)
    assert all(compile(source, "changed", "exec") for source in changed)
