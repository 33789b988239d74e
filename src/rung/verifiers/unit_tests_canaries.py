"""Tests that have to fail, put among the others where code could reach its own tests.

Each is made of a real one whose expectations are replaced by what no code gives, or is about
numbers of its own. A run in which one of them passes proves nothing.
"""

from __future__ import annotations

import ast
import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rung.verifiers.unit_inside.crossing import plain

_OWN = """
def {first}():
    assert {one} == {other}

class {second}(__import__("unittest").TestCase):
    def test_it(self):
        self.assertEqual({one}, {other})

def {third}():
    with __import__("pytest").raises(ValueError):
        pass
"""
_ASSERTIONS = {"assertEqual", "assertEquals", "assertListEqual", "assertDictEqual"}
_DEFINES = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Planted:
    """Tests, and the ids of those among them that have to fail, or begin so."""

    tests: Any
    ids: tuple[str, ...]


def in_source(source: str) -> Planted:
    """The source with canaries at random places of its body."""
    tree = ast.parse(source)
    own = {name: f"test_{secrets.token_hex(6)}" for name in ("first", "third")}
    own["second"] = f"Test{secrets.token_hex(6)}"
    one, other = secrets.randbelow(10**9), secrets.randbelow(10**9) + 10**9
    added = ast.parse(_OWN.format(one=one, other=other, **own)).body
    ids = [own["first"], own["third"], f"{own['second']}.test_it"]
    for node in list(tree.body):
        if isinstance(node, ast.ClassDef):
            ids += [f"{node.name}.{name}" for name in _twins(node.body)]
    ids += _twins(tree.body)
    bare = [node for node in tree.body if isinstance(node, ast.Assert)]
    for node in bare:
        name = f"test_{secrets.token_hex(6)}"
        test = ast.parse(f"def {name}(): pass").body[0]
        assert isinstance(test, ast.FunctionDef)
        test.body = [_Wrong().visit(copy.deepcopy(node))]
        added.append(test)
        ids.append(name)
    tree.body += added
    return Planted(ast.unparse(ast.fix_missing_locations(tree)), tuple(ids))


def in_cases(cases: tuple[Mapping[str, Any], ...]) -> Planted:
    """The cases, shuffled among twins that expect what no code gives; ids tell nothing."""
    twins = [{**case, "id": "", "expect": plain(secrets.token_hex(8))} for case in cases]
    for twin in twins:
        twin.pop("raises", None)
        twin.pop("approx", None)
        twin["id"] = f"case {secrets.token_hex(6)}"
    mixed = [*cases, *twins]
    secrets.SystemRandom().shuffle(mixed)
    return Planted(mixed, tuple(str(twin["id"]) for twin in twins))


def _twins(body: list[ast.stmt]) -> list[str]:
    """Put a wrong twin beside each test of a body that can have one, and name them."""
    names = []
    for node in list(body):
        if isinstance(node, _DEFINES) and node.name.startswith("test"):
            twin, wrong = copy.deepcopy(node), _Wrong()
            wrong.visit(twin)
            if wrong.changed:
                twin.name = f"test_{secrets.token_hex(6)}"
                names.append(twin.name)
                body.insert(body.index(node) + secrets.randbelow(2), twin)
    return names


class _Wrong(ast.NodeTransformer):
    """Expects the impossible wherever something is expected to be equal or to be true."""

    def __init__(self) -> None:
        self.changed = False

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self.changed = True
        test = node.test
        if isinstance(test, ast.Compare) and [type(op) for op in test.ops] == [ast.Eq]:
            # What is on the right is replaced, unless only that is the code's.
            constant = isinstance(test.left, ast.Constant)
            kept = test.comparators[0] if constant else test.left
            node.test = ast.Compare(kept, [ast.Eq()], [_impossible()])
        else:
            node.test = ast.UnaryOp(ast.Not(), test)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in _ASSERTIONS and len(node.args) > 1:
            self.changed = True
            node.args[1] = _impossible()
            node.func.attr = "assertEqual"  # type: ignore[attr-defined]
        return node


def _impossible() -> ast.expr:
    return ast.Constant(secrets.token_hex(8))
