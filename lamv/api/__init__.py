"""The door for Python: train a recipe, and use what a workdir holds.

    run = lamv.train("digits_tag", "runs/demo", {"seeds": 3})
    run = lamv.load("runs/demo")
    run["LS .1"].metrics["test_random/accuracy"]        (S,), a value for each seed
    run["LS .1"].predict(x, seed=0)                     (N, K) probabilities, x as the data set stores its inputs
    run["LS .1"].features("test", layer="first")        (M, D), of a split of the run or of inputs

Mistakes raise ConfigError (a ValueError), DataError and the other errors of lamv.errors, one line each. Metrics need
neither jax nor the data; networks need both, and read them when they are first asked for.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from lamv import paths, recipes, xla
from lamv.errors import ConfigError, DataError, brief, listed, nearest
from lamv.knobs import WHOLE
from lamv.results import experiment, records, runs

__all__ = ["Row", "Run", "load", "recipe", "register", "train"]
#: Knobs of a recipe as a whole, which are no row's.
OF_THE_RECIPE = (*WHOLE, "title", "about")


def recipe(name: str | Path) -> ConfigDict:
    """The config of a recipe, to be changed and trained: lamv.recipes.load."""
    _prepare()
    return recipes.load(name)


def register(file: str | Path) -> ModuleType:
    """Run a Python file that registers models, data sets or methods: lamv.recipes.register."""
    _prepare()
    return recipes.register(file)


def train(recipe, workdir: str | Path, overrides: Mapping[str, Any] | None = None) -> "Run":
    """Train every row of a recipe with every seed, as `python -m experiments.train` does; returns the run.

    recipe: its name in configs/ or its path (lamv.recipes.load), or a config, a filled lamv.config.defaults(). workdir:
    where everything is written; a run that was interrupted there goes on, a finished one is left as it is. overrides:
    {"seeds": 3, "optim.lr": 0.01}, knobs for all rows. Raises LamvError's subclasses.
    """
    place = Path(paths.local("workdir", str(workdir)))
    for key in OF_THE_RECIPE:
        if key in (overrides or {}):
            raise ConfigError(
                f"overrides has {key!r}, which is the recipe's: config = lamv.recipe(NAME); config.{key} = ..."
            )
    _prepare()
    config = recipes.load(recipe) if isinstance(recipe, str | Path) else recipe
    if not isinstance(config, ConfigDict):
        raise ConfigError(f"the recipe is {brief(config)}, must be a name, a path, or a config: lamv.config.defaults()")
    from lamv.train import loop

    loop.train(config, place, overrides)
    return Run(place)


def load(workdir: str | Path, *, data_path: str | Path | None = None, step: int | None = None) -> "Run":
    """The run of a workdir, finished or not.

    data_path: where the data lies now, if not where it was. step: of the checkpoint that networks are read from, by
    default the newest. Raises DataError for a folder that is no training run's.
    """
    return Run(Path(paths.local("workdir", str(workdir))), data_path, step)


class Run:
    """A workdir: its rows by name, their metrics and networks. Iterates over the names of the rows.

    title, notes: of the report; notes say what is missing or damaged. finished: whether training has ended.
    """

    def __init__(self, path: Path, data_path: str | Path | None = None, step: int | None = None):
        if experiment.is_experiment(path):
            raise DataError(f"{path} is that of an experiment on theory: lamv.results.experiment.read reads it")
        self.path, self._data_path, self._step = path, data_path, step
        self.refresh()

    def refresh(self) -> None:
        """Read the files of the workdir again, as while a run goes on; networks are then read anew, too."""
        self._read = runs.read(self.path)
        self.title, self.notes, self.finished = self._read.title, tuple(self._read.notes), self._read.finished
        self.__dict__.pop("_networks", None)
        self._rows = {row.name: Row(self, row) for row in self._read.rows}

    def __getitem__(self, name: str) -> "Row":
        if name not in self._rows:
            raise ConfigError(
                f"{self.path} has no row {name!r}{nearest(name, self._rows)}; its rows: {listed([*self])}"
            )
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        state = self._read.state if self._step is None else f"{self._read.state}, networks of step {self._step}"
        return f"<Run {str(self.path)!r}, {state}: {listed([*self])}>"

    @property
    def metrics(self) -> dict[str, dict[str, np.ndarray]]:
        """{row: {metric: (S,)}}, see Row.metrics."""
        return {name: row.metrics for name, row in self._rows.items()}

    def frame(self) -> Any:
        """The metrics as a pandas.DataFrame: a line for each row and seed, by which it is indexed, a column for each metric.

        Raises ImportError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("a frame needs pandas: pip install pandas; Run.metrics has the same as arrays") from None
        lines = [
            {"row": row.name, "seed": seed} | {metric: values[place] for metric, values in row.metrics.items()}
            for row in self._rows.values()
            for place, seed in enumerate(row.seeds)
        ]
        return pandas.DataFrame(lines).set_index(["row", "seed"])

    def evaluate(self, **options: Any) -> None:
        """Measure what a network has learned, as `python -m experiments.evaluate` does; metrics are then those, too.

        options: fields of lamv.evaluate.Options. Raises LamvError's subclasses.
        """
        _prepare()
        from lamv import evaluate

        known = evaluate.Options._fields
        for name in options:
            if name not in known:
                raise ConfigError(f"{name!r} is no option{nearest(name, known)}; options: {', '.join(known)}")
        data_path = None if self._data_path is None else str(self._data_path)
        evaluate.evaluate(self.path, data_path=data_path, options=evaluate.Options(**options))
        self.refresh()

    def report(self) -> Path:
        """Write the page of the run, report.html in the workdir; returns its path."""
        from lamv import report

        return report.write(self.path)

    @cached_property
    def _networks(self) -> Any:
        _prepare()
        from lamv.api.networks import Networks

        return Networks(self.path, self._data_path, self._step)


class Row:
    """A row of a run, with all its seeds. name: its own. config: its knobs, nested. seeds: their numbers.

    Where `seed` is an argument, it is one of these numbers, by default the first; where `x` is one, it is inputs as the
    data set stores them (lamv.api.inputs) or the name of a split. Networks are those of one checkpoint, the newest by
    default, also where a rule (select.rule) takes the metrics from another step.
    """

    def __init__(self, run: Run, read: records.Row):
        self._run, self._read = run, read
        self.name, self.config = read.name, read.config
        first = read.knob("seed", 0)
        self.seeds = tuple(range(first, first + read.knob("seeds", 1)))

    def __repr__(self) -> str:
        return f"<Row {self.name!r} of {str(self._run.path)!r}, seeds {', '.join(map(str, self.seeds))}>"

    @cached_property
    def metrics(self) -> dict[str, np.ndarray]:
        """{metric: (S,) float64}, a value for each of `seeds`; NaN for a seed of which it was not measured."""
        found = {}
        for metric in self._read.metrics:
            by_seed = self._read.by_seed(metric)
            found[metric] = np.array([by_seed.get(seed, np.nan) for seed in self.seeds])
        return found

    def curve(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """(steps (T,), values (T, S)) of a metric at the steps where it was measured; NaN for a seed without it."""
        read = self._run._read
        lines = [line for line in (*read.lines, *read.analysis.lines) if line["row"] == self.name and metric in line]
        steps = sorted({line["step"] for line in lines})
        values = np.full((len(steps), len(self.seeds)), np.nan)
        for line in lines:
            if line["replica"] < len(self.seeds):
                values[steps.index(line["step"]), line["replica"]] = line[metric]
        return np.array(steps, int), values

    def predict(self, x, *, seed: int | None = None, attributes=None) -> np.ndarray:
        """(N, K) float32 that the network puts out: probabilities; for a regression, (N, 1) numbers.

        attributes: (N,) int, what the planted cue of each input says; None: there is no cue in them.
        """
        return self._network.forward(x, "outputs", seed, attributes)

    def features(self, x, *, seed: int | None = None, layer: str = "features", attributes=None) -> np.ndarray:
        """(N, D) float32 activations of one of `layers`; see `predict`."""
        return self._network.forward(x, layer, seed, attributes)

    def examples(self, split: str, *, seed: int | None = None) -> Any:
        """The examples of a split, a lamv.data.Split: inputs as stored and without a planted cue, labels, groups, ..."""
        return self._network.examples(split, seed)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in order of depth; features, logits and outputs come last."""
        return self._network.layers

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits: train, test, with a planted cue test_random and so on, and those of validation."""
        return tuple(self._network.tables)

    @property
    def data(self) -> Any:
        """The data set, a lamv.data.Splits."""
        return self._network.splits

    @property
    def module(self) -> Any:
        """The flax module: `module.apply(variables[seed], inputs, train=False)` -> (logits, features).

        Its inputs are normalised ones: see `inputs`.
        """
        return self._network.module

    @property
    def variables(self) -> dict[int, Any]:
        """{seed: variables}, as the module takes them, numpy arrays."""
        return self._network.variables

    def inputs(self, x, *, seed: int | None = None, attributes=None) -> np.ndarray:
        """(N, ...) float32 as the module takes them: normalised, with the cue, flattened; see `predict`."""
        return self._network.forward(x, "inputs", seed, attributes)

    @property
    def _network(self) -> Any:
        """lamv.api.networks.Network."""
        return self._run._networks[self.name]


def _prepare() -> None:
    """As the commands do, before jax is first imported: XLA's flags, the allocator and the cache of compiled programs."""
    if "jax" not in sys.modules:
        xla.prepare()
