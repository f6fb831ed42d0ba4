"""What an audit has time for: seeds, steps and stages, from the pace of this machine on this data.

The plan is made once and kept in plan.json, so that an audit which goes on after an interruption is the same audit.
"""

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from lamv import config as configs
from lamv.audit.question import ERM, Question, rows
from lamv.audit.reading import Reading, set_data
from lamv.rows import expand
from lamv.train.session import Session
from lamv.train.variants import Stack, VariantRun

#: (seeds, planted cues, doses of each, with remedies), from the most that is useful to the least that says anything.
TIERS = (
    (10, 4, 5, True), (10, 2, 5, True), (10, 1, 5, True), (10, 1, 3, True), (5, 1, 3, True), (5, 1, 3, False),
    (5, 0, 0, False), (3, 0, 0, False),
)  # fmt: skip
#: Steps of a training: EPOCHS of them, within bounds. What varies least is learned late, so a short training shows less of
#: it than one at length; convolutional networks are too dear for more.
EPOCHS, FEWEST, MOST = 30, {"linear": 1500, "mlp": 1500, "cnn": 600}, 4000
#: Steps below which nothing is learned that could be compared.
LEAST = 60
#: Seeds and steps by which the pace is taken.
PROBE_SEEDS, PROBE_STEPS = 5, 12
#: Programs to compile beside those of the methods, in a stage that measures; remedies of a method.
PROGRAMS, REMEDIES = 5, 3
#: Parts that are exchanged, about; test examples that are looked at, from and to.
PARTS, EXAMPLES = 25, (300, 2000)
#: A forward pass takes this share of a training step.
FORWARD = 1 / 3


class Plan(NamedTuple):
    """seeds, steps of each training; planted cues, at most, and doses of each; remedies: whether any are tried.

    seconds: of a step of one row with PROBE_SEEDS seeds. examples: test examples that are looked at. left_out: what there
    is no time for.
    """

    seeds: int
    steps: int
    cues: int
    doses: int
    remedies: bool
    batch_size: int
    model: str
    seconds: float = 0.0
    examples: int = EXAMPLES[1]
    left_out: tuple[str, ...] = ()

    def recorded(self) -> dict[str, Any]:
        """As JSON holds it."""
        return self._asdict() | {"left_out": list(self.left_out)}


def base(question: Question, reading: Reading, planned: Plan):
    """The recipe that all trainings of an audit share."""
    config = configs.defaults()
    config.seed, config.seeds, config.steps = question.seed, planned.seeds, planned.steps
    config.batch_size, config.model.name = planned.batch_size, planned.model
    set_data(config, reading.settings)
    config.parallel.devices = 1  # small networks, and batches of any size
    plain = planned.model in ("mlp", "linear")
    config.data.flatten = plain and _is_image(reading)
    config.optim.name, config.optim.lr = "adam", learning_rate(reading, planned.model)
    config.log_every = max(1, planned.steps // 10)
    config.checkpoint_every = max(1, -(-planned.steps // 4))
    config.keep_checkpoints = 8
    return config


def learning_rate(reading: Reading, model: str) -> float:
    """Of Adam, which moves each weight of a linear model by it, and so a logit by as much times the number of inputs."""
    if model == "linear":
        return min(5e-3, 3.0 / math.prod(_shape(reading)))
    return 5e-3 if model == "mlp" else 2e-3


def made(question: Question, reading: Reading) -> Plan:
    """The plan for this data on this machine. Raises LamvError's subclasses where the data cannot be trained on."""
    number = training_size(reading)
    batch_size = batch_of(number)
    model = network_for(reading) if question.model == "auto" or frozen(reading) else question.model
    compiling, seconds = pace(question, reading, Plan(PROBE_SEEDS, MOST, 0, 0, False, batch_size, model))
    steps = wanted(reading, model)
    methods, images = 1 + len(question.methods), _is_image(reading)
    for seeds, cues, doses, remedies in TIERS:
        planned = Plan(seeds, steps, cues, doses, remedies, batch_size, model, seconds)
        looked_at = methods + remedies * (1 + REMEDIES * (methods - 1))
        trainings, stages = looked_at + methods * doses * (cues if images else 1), 1 + bool(doses) + remedies
        # Compiling may take more than there is; it is kept for the next time, and less would be no audit.
        budget = 60 * max(question.minutes / 2, question.minutes - compiling * stages * (methods + PROGRAMS) / 60)
        step = seconds * seeds / PROBE_SEEDS
        # A third of the time at the most is for looking.
        examples = int(budget / 3 / (PARTS * looked_at * step * FORWARD / batch_size))
        examples = min(EXAMPLES[1], max(EXAMPLES[0], examples))
        budget -= PARTS * looked_at * step * FORWARD / batch_size * examples
        if trainings * steps * step <= budget:
            return planned._replace(examples=examples, left_out=tuple(_left_out(doses, remedies)))
    fewer = max(LEAST, int(budget / (trainings * step)))
    shorter = f"training for {steps} steps: each has {fewer}, so the networks may have learned less than they could"
    return planned._replace(steps=fewer, examples=examples, left_out=(*_left_out(doses, remedies), shorter))


def _left_out(doses: int, remedies: bool) -> tuple[str, ...]:
    left_out = []
    if not doses:
        left_out.append("planting cues of known strength in this data")
    if not remedies:
        left_out.append("trying remedies")
    return tuple(left_out)


def training_size(reading: Reading) -> int:
    """Examples that a seed trains on (lamv.data.cuts)."""
    examples = reading.block["examples"]
    return examples["all"] * 2 // 3 if "all" in examples else examples["train"]


def wanted(reading: Reading, model: str) -> int:
    """Steps of a training that is as long as it should be."""
    number = training_size(reading)
    return min(MOST, max(FEWEST.get(model, FEWEST["cnn"]), EPOCHS * (number // batch_of(number))))


def batch_of(number: int) -> int:
    """Of so many training examples."""
    return max(1, min(number, 32 if number < 2000 else 64 if number < 10_000 else 128))


def frozen(reading: Reading) -> bool:
    """Whether the inputs are features of a network (lamv.audit.features)."""
    return bool(reading.block.get("network"))


def network_for(reading: Reading) -> str:
    """A small network that suits the inputs; a linear one for frozen features."""
    if frozen(reading):
        return "linear"
    return "cnn" if _is_image(reading) and min(_shape(reading)[:2]) >= 16 else "mlp"


def pace(question: Question, reading: Reading, planned: Plan) -> tuple[float, float]:
    """Seconds that a program takes to compile, and of a step of one row, all of its seeds together."""
    config = base(question, reading, planned)
    config.rows = rows([ERM])
    [variant] = expand(config)
    row = VariantRun(variant, Session([variant]))
    row.init()
    stack = Stack([row])

    def seconds(start: int, stop: int) -> float:
        before = time.perf_counter()
        stack.advance(start, stop)
        stack.wait()
        return time.perf_counter() - before

    compiling = seconds(0, 2)
    return compiling, seconds(2, 2 + PROBE_STEPS) / PROBE_STEPS


def from_record(record: Mapping[str, Any]) -> Plan:
    """The plan of a `recorded` one."""
    return Plan(**record)._replace(left_out=tuple(record["left_out"]))


def _is_image(reading: Reading) -> bool:
    return len(_shape(reading)) == 3


def _shape(reading: Reading) -> tuple[int, ...]:
    return next(iter(reading.splits.parts.values())).inputs.shape[1:]
