"""Wrong lines, one at a time: ``python -m tests.campaigns.lines nlmeans/pairwise/kernels_narrow.py TESTS…``.

In a copy of the package each line of a file's functions is changed in one place: a sum becomes a difference, a bound
moves by one, a name becomes its counterpart, or the statement goes. The tests have to fail for each; lines for which
they pass are printed.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SECONDS = 600
"""What the tests may take: a wrong bound may be a loop without an end."""
COUNTERPARTS = {
    a: b
    for pair in (
        ("least", "most"), ("lower", "upper"), ("lower_pairs", "upper_pairs"), ("lower_half", "upper_half"),
        ("minus", "plus_below_end"), ("minus_above_zero", "plus_below_end"), ("times", "times_signed"),
        ("wide_to_next", "wide_to_previous"), ("to_next_lane", "to_previous_lane"), ("forward", "backward"),
        ("first", "second"), ("min", "max"), ("smaller", "larger"), ("i_in", "j_in"), ("a", "b"), ("c", "d"),
        ("load", "fill"), ("y", "z"), ("this", "that"), ("value", "rest"),
    )
    for a, b in (pair, pair[::-1])
}  # fmt: skip
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv}
OPERATORS |= {ast.Div: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift}
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}


def change(node):
    """Return what is wrong with a node, as (object, attribute, value) to set; None if nothing comes to mind."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        return node, "op", OPERATORS[type(node.op)]()
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        return node, "ops", [COMPARISONS[type(node.ops[0])](), *node.ops[1:]]
    if isinstance(node, ast.BoolOp):
        return node, "op", ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node, "value", node.value + 1
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in COUNTERPARTS:
        return node, "id", COUNTERPARTS[node.id]
    if isinstance(node, ast.Attribute) and node.attr in COUNTERPARTS:
        return node, "attr", COUNTERPARTS[node.attr]
    return None


def own_nodes(statement):
    """Yield a statement and its nodes, but not those of statements in its body."""
    yield statement
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt):
            yield from own_nodes(child)


def statements(tree):
    """Return the statements of all functions, but texts and returns of what was named before."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [
        each
        for function in functions
        for each in ast.walk(function)
        if isinstance(each, ast.stmt) and not isinstance(each, ast.FunctionDef | ast.Continue | ast.Pass)
        if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]


def mutants(source):
    """Yield the line, what stands there, and the changed source, for the first and the last place of each statement."""
    for k in range(len(statements(ast.parse(source)))):
        for which in (0, -1):
            tree = ast.parse(source)
            statement = statements(tree)[k]
            line, places = statement.lineno, [made for node in own_nodes(statement) if (made := change(node))]
            if places and (which == 0 or len(places) > 1):
                setattr(*places[which])
            elif which == 0 and isinstance(statement, ast.Expr):
                statement.value = ast.Constant(None)
            else:
                continue
            yield line, source.splitlines()[line - 1].strip(), ast.unparse(tree)


def survives(folder, module, source, tests):
    """Say whether all tests pass with a module's source in place of its own."""
    (folder / module).write_text(source)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    variables = {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=campaign"]
    try:
        done = subprocess.run(
            [*command, *tests], cwd=folder, env=os.environ | variables, capture_output=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main():
    """Change one line after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--every", type=int, default=1, help="of so many changes, one")
    parser.add_argument("--from-line", type=int, default=1)
    arguments = parser.parse_args()
    source = (ROOT / arguments.module).read_text()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("nlmeans", "nonlocal_block", "tests", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        if not survives(folder, arguments.module, source, arguments.tests):
            sys.exit("the tests fail as it is")
        tried, left = 0, []
        for line, text, wrong in [*mutants(source)][:: arguments.every]:
            if line < arguments.from_line:
                continue
            tried += 1
            if survives(folder, arguments.module, wrong, arguments.tests):
                left.append(f"{line}: {text}")
                print(f"no test fails for another line {left[-1]}", flush=True)
        print(f"{tried} changes, {len(left)} of them unnoticed", flush=True)
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
