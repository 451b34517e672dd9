"""The tracked files, and what their modules import; nothing is executed."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("gateway", "backend", "firmware_sim")
PACKAGES = (*PROGRAMS, "schemas", "deploy")
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    """Return the path from the project's root, for messages."""
    return str(path.relative_to(ROOT))


@cache
def syntax_of(path: Path) -> ast.Module:
    """Return the module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Return the dotted names that the module imports, also inside functions."""
    return frozenset(_imports(syntax_of(path)))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_of(path: Path) -> frozenset[str]:
    """Return the top-level packages that the module imports."""
    return frozenset(name.partition(".")[0] for name in imports_of(path))


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return the files under version control; of an unpacked archive, all but the ignored."""
    git = shutil.which("git")
    if git is not None and (ROOT / ".git").exists():
        listed = subprocess.run(
            [git, "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=20,
        ).stdout
        paths = [ROOT / name for name in listed.decode().split("\0") if name]
        return tuple(path for path in paths if path.is_file())
    return tuple(
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not any(_is_local(part) for part in path.relative_to(ROOT).parts)
    )


def _is_local(part: str) -> bool:
    return part in {"var", "dist", "__pycache__"} or (
        part.startswith(".") and part not in {".ci", ".gitignore", ".github"}
    )


@cache
def text_of(path: Path) -> str | None:
    """Return the file's text, or None for a binary one."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
