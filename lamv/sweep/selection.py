"""Whether the data has what --select looks at, asked before anything is trained."""

from collections.abc import Sequence

from lamv.errors import ConfigError
from lamv.sweep.cells import SweepCell, config_of
from lamv.sweep.collect import NO_RULE, SelectionRule
from lamv.train import session

#: What the examples of a split depend on.
OF_DATA = ("data.name", "data.path", "data.valid_size", "data.shortcut.kind", "data.task", "data.image_size")


def check(rule: SelectionRule, cells: Sequence[SweepCell]) -> None:
    """Raise ConfigError where the cells have no validation examples, groups or labels of the kind that a rule needs."""
    if rule.metric:
        different = {repr([cell.config.get(key) for key in OF_DATA]): cell for cell in cells}
        for cell in different.values():
            _check(rule, config_of(cell).data)


def _check(rule: SelectionRule, data) -> None:
    split, _, metric = rule.metric.partition("/")
    splits = session.read(data)
    what, none = f"--select is {rule.name!r}, but", f"or choose no cell: --select={NO_RULE}"
    if splits.is_regression != (metric == "rmse"):
        kind, other = ("numbers", "valid_rmse") if splits.is_regression else ("classes", "valid_accuracy")
        raise ConfigError(f"{what} the labels of {data.name} are {kind}; use --select={other}, {none}")
    if split == "valid" and not (data.valid_size or "valid" in splits.parts):
        raise ConfigError(
            f"{what} there are no validation examples, and no cell is chosen on the test set; set --config.data.valid_size"
            f" and, where all other examples train, a smaller --config.data.train_size, {none}"
        )
    part = splits.parts.get(split) or splits.parts[splits.training_part]
    cued = data.shortcut.kind != "none"
    if "group" in metric and not cued and part.groups is None and part.attributes is None:
        raise ConfigError(f"{what} {data.name} has no group or attribute column; use valid_accuracy, {none}")
