"""The files of this repository, and what a parser sees in them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("src", "flows", "tasks", "deployments", "docker", "benchmarks")


@cache
def files(suffix: str = "") -> tuple[Path, ...]:
    """Give all files that belong here, relative to the root: what git tracks or would."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
            "\0"
        )
        found = [Path(name) for name in listed if name]
    else:  # an unpacked archive
        found = [
            p.relative_to(ROOT)
            for top in (*PRODUCT, "tests", "requirements")
            for p in (ROOT / top).rglob("*")
        ]
        found += [p.relative_to(ROOT) for p in ROOT.glob("*")]
    return tuple(sorted({p for p in found if p.name.endswith(suffix) and (ROOT / p).is_file()}))


def modules(*tops: str) -> list[Path]:
    """Give the Python files under some top folders."""
    return [path for path in files(".py") if path.parts[0] in (tops or (*PRODUCT, "tests"))]


@cache
def text(path: Path) -> str:
    """Give a file's text; bytes that are no UTF-8 become question marks."""
    return (ROOT / path).read_text("utf-8", errors="replace")


@cache
def tree(path: Path) -> ast.Module:
    """Parse a Python file."""
    return ast.parse(text(path), str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give every function and method, nested ones too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines from `def` to its end, the docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def imported(path: Path) -> set[str]:
    """Give the top-level names of all modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found
