"""What can be chosen, a line each, and where to read on: `list [KIND] [WORD]`.

KINDS has a function for each kind: () -> {name: Listed}. Models and data sets are listed where they are registered, which
imports jax; the other kinds do without.
"""

import ast
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from lamv import places, suite
from lamv.catalog import glossary, metrics
from lamv.catalog import methods as of_methods
from lamv.catalog import mitigations as of_mitigations
from lamv.errors import ConfigError, brief, nearest
from lamv.knobs import KNOB, Knob, Registered

#: Where a name appears in this many entries at most, all that is known of them is shown.
FEW = 3


class Listed(NamedTuple):
    """line: what it is, in a line. use: how it is chosen. page: where to read on. more: lines beneath, (name, text)."""

    line: str
    use: str
    page: str
    more: tuple[tuple[str, str], ...] = ()


class Kind(NamedTuple):
    """about: in a line. pages: where to read on about all of them."""

    entries: Callable[[], dict[str, Listed]]
    about: str
    pages: tuple[str, ...]


def as_text(kind: str = "", word: str = "", width: int | None = None) -> str:
    """The kinds; or the entries of a kind; or those whose name or line has a word in it, of a kind or of all.

    Of a few entries, or of one of just that name, all is shown. width: at which lines are cut; None: never. Raises
    ConfigError for an unknown kind, and for a word that is nowhere.
    """
    if not kind:
        return _overview(width)
    if kind not in KINDS and word:
        raise ConfigError(f"{brief(kind)} cannot be listed, must be one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    kinds, word = ([kind], word) if kind in KINDS else (list(KINDS), kind)
    found = {name: _having(KINDS[name].entries(), word) for name in kinds}
    number = sum(map(len, found.values()))
    if not number:
        names = [name for one in kinds for name in KINDS[one].entries()]
        raise ConfigError(
            f"{brief(word)} is in no name and no line of {', '.join(kinds)}{nearest(word, [*names, *KINDS])};"
            f" {places.called('list')} says what there is"
        )
    exact = bool(word) and any(word in entries for entries in found.values())
    whole = exact or (bool(word) and number <= FEW)
    return "\n\n".join(_of_kind(name, entries, whole, width) for name, entries in found.items() if entries)


def names(kind: str) -> list[str]:
    """The names of a kind."""
    return list(KINDS[kind].entries())


def _having(entries: dict[str, Listed], word: str) -> dict[str, Listed]:
    """The entry of just that name; else those that have the word in their name; else in their line."""
    if word in entries or not word:
        return {word: entries[word]} if word else entries
    low = word.lower()
    return {name: entry for name, entry in entries.items() if low in name.lower()} or {
        name: entry for name, entry in entries.items() if low in entry.line.lower()
    }


def _of_kind(kind: str, entries: dict[str, Listed], whole: bool, width: int | None) -> str:
    if whole:
        return "\n\n".join(_whole(name, entry) for name, entry in entries.items())
    lines = suite.table(((name, entry.line) for name, entry in entries.items()), width)
    pages = " and ".join(suite.page(page) for page in KINDS[kind].pages)
    more = f"{places.called('list')} {kind} NAME shows all of one" + (f"; read on in {pages}" if pages else "")
    return f"{kind}: {KINDS[kind].about}\n\n{lines}\n\n{more}"


def _whole(name: str, entry: Listed) -> str:
    lines = [("use", entry.use), *entry.more, ("read on", entry.page)]
    return f"{name}: {entry.line}\n" + suite.table((f"  {what}", text) for what, text in lines if text)


def _overview(width: int | None) -> str:
    lines = suite.table(((f"  {name}", kind.about) for name, kind in KINDS.items()), width)
    return f"{places.called('list')} KIND [WORD], or a WORD alone; KIND is one of\n\n{lines}"


def _methods() -> dict[str, Listed]:
    return {
        name: Listed(
            of_methods.in_words({"method": _shown(name, entry)}, None),
            f"--config.method.name={name}",
            suite.page(f"methods.md#{name}"),
            _knobs_of(f"method.{knob}" for knob in entry.knobs),
        )
        for name, entry in of_methods.METHODS.items()
    }  # fmt: skip


def _shown(name: str, entry: of_methods.MethodEntry) -> dict[str, Any]:
    """The knobs of a method at their defaults, but for a smoothing, which by 0 would be ERM."""
    smooths = "smoothing" in entry.knobs and not entry.mixes
    return _defaults("method") | {"name": name} | ({"smoothing": 0.1} if smooths else {})


def _mitigations() -> dict[str, Listed]:
    return {
        name: Listed(
            of_mitigations.in_words({"mitigation": _defaults("mitigation") | {"name": name}}),
            f"--config.mitigation.name={name}",
            suite.page(f"mitigations.md#{name}"),
            _knobs_of(f"mitigation.{knob}" for knob in entry.knobs),
        )
        for name, entry in of_mitigations.MITIGATIONS.items()
    }


def _metrics() -> dict[str, Listed]:
    page = suite.page("analysis.md")
    return {
        form: Listed(name, "a claim of a recipe, (row, key, '>=', value); a column of tables", page,
                    tuple((term, glossary.MEANINGS[term]) for term in terms))
        for form, (name, terms) in metrics.listed().items()
    }  # fmt: skip


def _knobs() -> dict[str, Listed]:
    page = suite.short(places.ROOT / "lamv" / "knobs.py") if not places.INSTALLED else "lamv.knobs"
    return {
        key: Listed(f"{knob.meaning}; {_default(knob)}", f"--config.{key}=VALUE", page, (("range", _range(knob)),))
        for key, knob in KNOB.items()
    }


def _recipes() -> dict[str, Listed]:
    entries = {}
    for name, path in places.recipes().items():
        command = places.called("theory" if places.is_of_theory(name) else "train")
        use = f"{command} --config={name} --workdir=runs/{name.rpartition('/')[2]}"
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        after = tuple(("", line) for line in doc.split("\n\n")[-1].splitlines()) if doc.count("\n\n") > 1 else ()
        entries[name] = Listed(suite.opening(path), use, suite.short(path), after)
    return entries


def _models() -> dict[str, Listed]:
    from lamv.models import MODELS

    return {
        name: Listed(_doc(model.make), f"--config.model.name={name}", _source(model.make),
                    _knobs_of(["model.widths"] if model.takes_widths else []))
        for name, model in MODELS.items()
    }  # fmt: skip


def _data() -> dict[str, Listed]:
    from lamv.data import DATASETS

    return {
        name: Listed(
            f"the path must hold {reader.holds}"
            if reader.holds
            else f"comes with scikit-learn, without a path; {_doc(reader.read)}",
            f"--config.data.name={name}" + (" --config.data.path=PATH" if reader.holds else ""),
            suite.page("data.md"),
            _knobs_of(key for key in KNOB if key.startswith("data.") and key.split(".")[1] in reader.takes),
        )
        for name, reader in DATASETS.items()
    }


def _doc(function: Any) -> str:
    """What a partial function is given, and the first paragraph of the docstring."""
    given = ", ".join(f"{key} {_name(value)}" for key, value in getattr(function, "keywords", {}).items())
    doc = inspect.getdoc(getattr(function, "func", function)) or ""
    return (f"{given}: " if given else "") + " ".join(doc.split("\n\n")[0].split())


def _name(value: Any) -> str:
    return str(getattr(getattr(value, "func", value), "__name__", value))


def _source(function: Any) -> str:
    return getattr(function, "func", function).__module__


def _defaults(part: str) -> dict[str, Any]:
    """The knobs of a part at their defaults, by their names below it."""
    return {key.removeprefix(f"{part}."): knob.default for key, knob in KNOB.items() if key.startswith(f"{part}.")}


def _knobs_of(keys: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, f"{KNOB[key].meaning}; {_default(KNOB[key])}") for key in keys)


def _default(knob: Knob) -> str:
    if isinstance(knob.default, type):
        return "unset by default"
    return f"default {knob.default if knob.default not in ('', (), {}) else 'empty'}"


def _range(knob: Knob) -> str:
    """Names that are registered are imported with all that is registered: their list says it shorter."""
    listed = {"lamv.core.methods.METHODS": "methods", "lamv.models.MODELS": "models", "lamv.data.DATASETS": "data",
              "lamv.catalog.mitigations.MITIGATIONS": "mitigations"}  # fmt: skip
    kind = listed.get(knob.allowed.registry) if isinstance(knob.allowed, Registered) else None
    return f"{places.called('list')} {kind}" if kind else f"{knob.allowed.words}, of type {knob.type.__name__}"


KINDS = {
    "recipes": Kind(_recipes, "experiments that are ready to run", ("spurious.md", "analysis.md", "theory.md")),
    "methods": Kind(_methods, "label augmentation, --config.method.name", ("methods.md",)),
    "mitigations": Kind(_mitigations, "what is done against shortcuts, --config.mitigation.name", ("mitigations.md",)),
    "models": Kind(_models, "networks, --config.model.name", ("performance.md",)),
    "data": Kind(_data, "data sets, --config.data.name", ("data.md", "your_data.md")),
    "metrics": Kind(_metrics, "what is measured, by key: SPLIT/METRIC", ("analysis.md",)),
    "knobs": Kind(_knobs, "everything that can be set, --config.KNOB=VALUE", ("getting_started.md",)),
}
