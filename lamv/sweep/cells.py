"""From a recipe and the points of a sweep to its cells: a complete config each, by a name that lasts.

A cell is a row of the recipe at a point. Knobs that do nothing in it are left out (alpha of ERM), so several points may be
one cell. Its id depends on the knobs that decide what is learned alone: a larger grid finds the cells of a smaller one.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lamv import config as configs
from lamv.catalog import words
from lamv.errors import ConfigError, brief
from lamv.knobs import KNOB, WHOLE, flatten
from lamv.rows import expand, named_rows
from lamv.sweep.grid import PATHS, Point
from lamv.unused import use_of

METHOD = "method.name"
#: Digits of an id.
DIGITS = 10
Knobs = dict[str, Any]


class SweepCell(NamedTuple):
    """row: of the recipe, "" where it has none. knobs: of the point, those that act. config: all that are not at default."""

    id: str
    name: str
    row: str
    knobs: Knobs
    config: Knobs


class Base(NamedTuple):
    """What a sweep varies: knobs of the recipe, its rows, and flags, which hold for all rows. left_out: other rows."""

    knobs: Knobs
    rows: Mapping[str, Knobs]
    flags: Knobs
    left_out: tuple[str, ...] = ()

    def recorded(self) -> dict[str, Any]:
        """As JSON has it, without what changes nothing that is learned."""
        return json.loads(json.dumps({"knobs": _binding(self.knobs), "rows": self.rows, "flags": _binding(self.flags)}))


def base_of(config, overrides: Mapping[str, Any], swept: Iterable[str] = ()) -> Base:
    """The base of a recipe with flags applied. config: a filled lamv.config.defaults(). swept: keys of the axes.

    Rows that are there to compare methods give way to a sweep over methods.
    """
    knobs = {key: value for key, value in flatten(config).items() if key not in WHOLE}
    rows = named_rows(config["rows"] or {})
    left_out: tuple[str, ...] = ()
    if METHOD in swept and any(METHOD in changes for changes in rows.values()):
        rows, left_out = {}, tuple(rows)
    flags = {key: value for key, value in overrides.items() if key not in WHOLE}
    knobs |= {other: None for length, other in configs.LENGTHS if flags.get(length) is not None}
    return Base(knobs, rows if len(rows) > 1 else {"": next(iter(rows.values()), {})}, flags, left_out)


def cells(base: Base, points: Sequence[Point]) -> list[SweepCell]:
    """The cells, row by row within each point; each once.

    Raises ConfigError for a cell that cannot be, and for a knob that acts in none.
    """
    found: dict[str, SweepCell] = {}
    for point in points:
        for row, changes in base.rows.items():
            cell = _cell(base, row, changes, point)
            found.setdefault(cell.id, cell)
    kept = list(found.values())
    swept = {("--grid", key) for point in points for key in point if not any(key in cell.knobs for cell in kept)}
    flags = {
        ("--config", key) for key in _away_from_default(base.flags) if not any(key in cell.config for cell in kept)
    }
    for flag, key in sorted(swept | flags):
        if use := use_of(key):
            raise ConfigError(f"{flag} sets {key}, but no cell uses it: it acts only with {use.needs}; take it away")
    return _named(kept)


def as_recipe(cells: Sequence[SweepCell], title: str, seed: int | None = None, seeds: int | None = None):
    """A config whose rows are these cells. seed, seeds: others than those of the cells."""
    config = configs.defaults()
    own = {key: value for key, value in (("seed", seed), ("seeds", seeds)) if value is not None}
    config.title = title
    config.rows = {cell.name: {**cell.config, **own} for cell in cells}
    return config


def seeds_of(cell: SweepCell) -> tuple[int, int]:
    """(first seed, seeds) of a cell."""
    first, number = (cell.config.get(key, KNOB[key].default) for key in ("seed", "seeds"))
    return first, number


def config_of(cell: SweepCell):
    """The complete config of a cell."""
    return expand(as_recipe([cell], ""))[0].config


def _cell(base: Base, row: str, changes: Knobs, point: Point) -> SweepCell:
    flat: Knobs = {}
    for layer in (base.knobs, changes, base.flags, point):
        flat |= {other: None for length, other in configs.LENGTHS if layer.get(length) is not None}
        flat |= layer
    where = ", ".join([*filter(None, [row]), *_labels(point, point)])
    try:
        config = _complete(flat)
        while idle := [key for key in _away_from_default(_knobs(config)) if not _acts(key, config)]:
            flat |= {key: _default(key) for key in idle}
            config = _complete(flat)
    except ConfigError as error:
        raise ConfigError(f"cell {brief(where, 200)}: {error}") from None
    point = {key: value for key, value in point.items() if _acts(key, config)}
    knobs = _away_from_default(_knobs(config))
    decides = _binding(knobs) | {key: value for key, value in point.items() if key in PATHS}
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:DIGITS]
    return SweepCell(digest, "", row, point, knobs)


def _complete(flat: Mapping[str, Any]):
    """A checked config with these knobs."""
    [variant] = configs.rows_of({"rows": [{"name": "", "config": {}}]}, flat)
    return variant.config


def _acts(key: str, config) -> bool:
    use = use_of(key)
    return use is None or use.acts(config)


def _knobs(config) -> Knobs:
    """Those of a row."""
    return {key: value for key, value in flatten(config).items() if key not in (*WHOLE, "title", "about")}


def _default(key: str) -> Any:
    default = KNOB[key].default
    return None if isinstance(default, type) else default


def _away_from_default(knobs: Mapping[str, Any]) -> Knobs:
    return {key: value for key, value in knobs.items() if value != _default(key)}


def _binding(knobs: Mapping[str, Any]) -> Knobs:
    """Those that decide what is learned."""
    return {key: value for key, value in _away_from_default(knobs).items() if not KNOB[key].free}


def _named(cells: Sequence[SweepCell]) -> list[SweepCell]:
    """The cells with names: row, where they differ in it, and knobs, in short; and id, where that tells them not apart."""
    if len({cell.row for cell in cells}) == 1:
        cells = [cell._replace(row="") for cell in cells]
    swept = list(dict.fromkeys(key for cell in cells for key in cell.knobs))
    names = [" ".join([*filter(None, [cell.row]), *_labels(cell.knobs, swept)]) for cell in cells]
    names = [name or str(cell.config.get("method.name", "erm")) for name, cell in zip(names, cells, strict=True)]
    return [
        cell._replace(name=name if names.count(name) == 1 and len(name) < 150 else f"{name[:150]} {cell.id}")
        for name, cell in zip(names, cells, strict=True)
    ]


def _labels(knobs: Mapping[str, Any], swept: Iterable[str]) -> Iterator[str]:
    """ "mixup", "alpha=0.5": of names the value alone, of others their last word where no other knob has it."""
    swept = list(swept)
    for key, value in knobs.items():
        text = "/".join(words.plain(value).split())
        if key.endswith(".name"):
            yield text
            continue
        leaf = key.rpartition(".")[2]
        alone = sum(other.rpartition(".")[2] == leaf for other in swept) == 1
        yield f"{leaf if alone else key}={text}"
