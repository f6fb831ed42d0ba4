"""What there is to run and to choose: commands, lists, completion, and what this machine offers."""

import ast
from collections.abc import Iterable
from pathlib import Path

from lamv import places


def commands() -> dict[str, str]:
    """{name: what it does, in a sentence} of the modules of experiments/ that can be run."""
    return {
        path.stem: opening(path)
        for path in sorted((places.ROOT / "experiments").glob("*.py"))
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }


def opening(path: Path) -> str:
    """The first sentence or paragraph of a module's docstring; "" without one. The module is not run."""
    try:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError, ValueError):
        return ""
    return " ".join(doc.split("\n\n")[0].split())


def page(name: str) -> str:
    """The path of a page of the documentation, such as "methods.md#mixup", as short as it can be written from here."""
    return short(places.ROOT / "docs" / name)


def short(path: Path) -> str:
    """A path, relative where it is below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def table(lines: Iterable[tuple[str, str]], width: int | None = None) -> str:
    """Names and what is said of each in two columns. width: characters after which a line is cut; None: never."""
    lines = [(name, " ".join(text.split())) for name, text in lines]
    first = min(max((len(name) for name, _ in lines), default=0), 40)
    return "\n".join(_cut(f"{name:{first}}  {text}".rstrip(), width) for name, text in lines)


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 1].rstrip()}…"
