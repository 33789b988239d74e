"""The tests' source, compiled so that a failed comparison says what was compared."""

from __future__ import annotations

import ast
import operator
from typing import Any

from .standins import number_of
from .told import told

FILE = "tests"
_JUDGE = "rung_compared"


def _same(one: object, other: object) -> bool:
    """Whether they are one object, be it the code's, for which there may be two stand-ins."""
    number = number_of(one)
    return one is other or (number is not None and number == number_of(other))


_OPERATORS: dict[str, Any] = {
    "Eq": (operator.eq, "=="),
    "NotEq": (operator.ne, "!="),
    "Lt": (operator.lt, "<"),
    "LtE": (operator.le, "<="),
    "Gt": (operator.gt, ">"),
    "GtE": (operator.ge, ">="),
    "Is": (_same, "is"),
    "IsNot": (lambda one, other: not _same(one, other), "is not"),
    "In": (lambda one, other: one in other, "in"),
    "NotIn": (lambda one, other: one not in other, "not in"),
}


class _Comparisons(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and node.msg is None:
            name = type(test.ops[0]).__name__
            left, right = test.left, test.comparators[0]
            if name == "Eq" and isinstance(left, ast.Constant):
                left, right = right, left
            words = [left, ast.Constant(name), right]
            judged = ast.Call(ast.Name(_JUDGE, ast.Load()), words, [])
            return ast.copy_location(ast.Expr(judged), node)
        return node


def compiled(source: str, namespace: dict[str, Any]) -> Any:
    """The code of the tests. Raises SyntaxError."""
    tree = _Comparisons().visit(ast.parse(source, FILE))
    namespace[_JUDGE] = _compared
    return compile(ast.fix_missing_locations(tree), FILE, "exec")


def _compared(left: Any, name: str, right: Any) -> None:
    compare, sign = _OPERATORS[name]
    if compare(left, right):
        return
    if sign == "==":
        raise AssertionError(f"got {told(left)}, expected {told(right)}")
    raise AssertionError(f"{told(left)} {sign} {told(right)} does not hold")
