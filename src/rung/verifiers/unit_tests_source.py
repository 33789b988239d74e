"""What a file of unit tests holds, read without running it: its tests, and the module they test.

It is the operator's own, and so are all errors here.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rung.core.errors import ConfigError
from rung.verifiers.base import shown
from rung.verifiers.options import wrong

LARGEST = 1 << 20
"""Bytes of a file of tests."""

MODULE = "solution"
"""What the code under test is called where nothing says otherwise."""

BODY = "(module)"
"""The id of what stands in a file beside its tests."""

_OURS = ("rung_", "pytest", "unittest")
_KNOWN = {*sys.stdlib_module_names, "pytest"}
_LEFT_OUT = ("skip", "xfail", "expectedFailure")
_REACHING = frozenset(
    {"patch", "monkeypatch", "capsys", "capfd", "redirect_stdout", "redirect_stderr"}
    | {"stdout", "stderr", "stdin", "__code__", "getsource", "tracemalloc"}
)
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
_DEFINES = _FUNCTIONS | ast.ClassDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Source:
    """``tests`` are the ids of those that must run, ``left_out`` of those marked not to.

    ``free`` are names that the source uses and does not define: the module under test has them.
    ``reaches`` is what it uses to look into the process that runs the code, or nothing.
    """

    source: str
    module: str
    tests: tuple[str, ...]
    left_out: frozenset[str] = frozenset()
    free: tuple[str, ...] = ()
    reaches: str = ""


def read(source: str, module: str | None = None) -> Source:
    """What ``source`` holds. Raises ConfigError where there is no test in it, or none to be run."""
    if len(source) > LARGEST:
        raise wrong("tests", f"the tests are longer than {LARGEST:,} characters.", "split them")
    try:
        tree = ast.parse(source)
        found = list(_tests(tree))
        free = _free(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        said = f"the tests are no Python: {shown(str(error), 200)}."
        raise wrong("tests", said, "see that `python -m py_compile` takes them") from None
    named = _module(tree, module)
    tests = tuple(dict.fromkeys(name for name, skipped in found if not skipped))
    if not tests:
        fix = "write functions test_*, a unittest.TestCase, or plain assertions"
        raise wrong("tests", "there is no test in it that would run.", fix)
    left_out = frozenset(name for name, skipped in found if skipped)
    names_it = named in set(_imported(tree)) and not _imports_all(tree)
    reaches = next(filter(_REACHING.__contains__, _words(tree)), "")
    return Source(source, named or MODULE, tests, left_out, () if names_it else free, reaches)


def module_name(name: str) -> str:
    """``name``, if a module under test can be called so. Raises ConfigError."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts) or name.startswith(_OURS) or len(name) > 100:
        said = f"{shown(name, 80)!r} cannot be the module under test."
        raise wrong("module", said, f'module = "{MODULE}"')
    return name


# ------------------------------------------------------------------ tests


def _tests(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Ids of tests, and whether each is marked not to run."""
    found = False
    for node in tree.body:
        if isinstance(node, _FUNCTIONS):
            if node.name.startswith("test") and not _decorated(node, ("fixture",)):
                found = True
                yield node.name, _decorated(node, _LEFT_OUT)
        elif isinstance(node, ast.ClassDef) and _holds_tests(node):
            for method in _methods(node):
                found = True
                skipped = _decorated(node, _LEFT_OUT) or _decorated(method, _LEFT_OUT)
                yield f"{node.name}.{method.name}", skipped
    if not found and any(_asserts(node) for node in _judging(tree)):
        yield BODY, False


def _judging(tree: ast.Module) -> list[ast.stmt]:
    """Statements that run with the body; functions too, where the body calls any."""
    calls = any(isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) for n in tree.body)
    inside = [each for node in tree.body if isinstance(node, ast.FunctionDef) for each in node.body]
    return tree.body + (inside if calls else [])


def _methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for each in node.body:
        if isinstance(each, _FUNCTIONS) and each.name.startswith("test"):
            yield each


def _holds_tests(node: ast.ClassDef) -> bool:
    if any("TestCase" in ast.unparse(base) for base in node.bases):
        return True
    own = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return node.name.startswith("Test") and "__init__" not in own


def _decorated(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, words: tuple[str, ...]
) -> bool:
    """Whether a decorator's own name is one of ``words``."""
    for each in node.decorator_list:
        called = each.func if isinstance(each, ast.Call) else each
        if ast.unparse(called).rpartition(".")[2] in words:
            return True
    return False


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, _DEFINES):
        return False
    return isinstance(node, ast.Assert) or any(map(_asserts, ast.iter_child_nodes(node)))


# ------------------------------------------------------------------ the module under test


def _module(tree: ast.Module, asked: str | None) -> str | None:
    """The module that the tests are of, None where they use its names without importing it."""
    if asked is not None:
        return module_name(asked)
    imported = sorted(set(_imported(tree)))
    if len(imported) > 1:
        several = ", ".join(imported)
        said = f"the tests import several modules ({several}): which one is the answer's?"
        raise wrong("module", said, f'module = "{imported[0]}"')
    return module_name(imported[0]) if imported else None


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise _relative()
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] not in _KNOWN)


def _imports_all(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module not in _KNOWN
        and any(each.name == "*" for each in node.names)
        for node in ast.walk(tree)
    )


def _words(tree: ast.Module) -> Iterator[str]:
    """Every name that the source uses."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.alias(name=name):
                yield name.rpartition(".")[2]


def _relative() -> ConfigError:
    return wrong("tests", "a relative import leads nowhere here.", f"from {MODULE} import ...")


def _free(source: str) -> tuple[str, ...]:
    """Names that are used as globals and that neither the source nor Python defines."""
    top = symtable.symtable(source, "tests", "exec")
    defined = {
        each.get_name()
        for each in top.get_symbols()
        if each.is_assigned() or each.is_imported() or each.is_namespace()
    }
    used = {
        each.get_name()
        for table in _tables(top)
        for each in table.get_symbols()
        if each.is_referenced() and (table is top or each.is_global())
    }
    return tuple(sorted(used - defined - set(dir(builtins)) - {"__file__"}))


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)
