"""A table of 5 seeds x 8 alphas x 3 methods in one process, against one run after another, and against PyTorch.

    python -m benchmarks.grid [--steps=200] [--turns=3] [--json=FILE]

The network and the data of configs/digits_tag.py: an MLP 74-64-10 on 1,200 digits, batch 128, Adam. `together`: all 120
runs as the engine stacks them. `one by one`: the same runs with rows apart and seeds in turns, in the same process, so that
compilation and imports, which separate processes would pay 120 times, count for neither. `products`: the five matrix
products of each step, batched over all 120 networks, as a yardstick. `pytorch`, where it is installed: a lean loop for the
same step, of one run of each method, times 40, on one thread, which is faster than two here. The unit is seconds for all
runs.
"""

import sys

from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla

xla.prepare()

STEPS = flags.DEFINE_integer("steps", 200, "Steps of one timing.")
TURNS = flags.DEFINE_integer("turns", 3, "Timings of each way.")
ALPHAS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0)
SEEDS = 5


def main() -> None:
    ways = {"together": engine("together", "vmap"), "one by one": engine("apart", "loop"), "products": products()}
    try:
        ways["pytorch"] = pytorch()
    except ImportError:
        print("PyTorch is not installed: compared with lamv itself alone")
    seconds = timing.interleaved(ways, TURNS.value)
    results = []
    for name, times in seconds.items():
        scale = SEEDS * len(ALPHAS) if name == "pytorch" else 1
        faster = timing.ratio(scale * times, seconds["together"])
        results.append({"way": name, "seconds": scale * timing.median(times), "over_together": faster})
    timing.report(results, TURNS.value)


def engine(rows: str, replicas: str) -> timing.Advancing:
    """All 120 runs, side by side or in turns."""
    from configs.digits_tag import get_config
    from lamv.rows import expand
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    config = get_config()
    config.steps, config.seeds, config.claims = 1_000_000, SEEDS, ()
    methods = {  # what alpha is a multiple of
        "erm": ("optim.weight_decay", 1e-3), "label_smoothing": ("method.smoothing", 0.1), "mixup": ("method.alpha", 1.0),
    }  # fmt: skip
    config.rows = {
        f"{name} {alpha}": {"method.name": name, knob: size * alpha}
        for name, (knob, size) in methods.items()
        for alpha in ALPHAS
    }
    rows_of = expand(config, {"parallel.rows": rows, "parallel.replicas": replicas})
    session = Session(rows_of)
    return timing.Advancing([VariantRun(row, session) for row in rows_of], STEPS.value)


def products():
    """A way that computes the five matrix products of a step, forward and backward, of all 120 networks at once."""
    import jax
    import jax.numpy as jnp

    def step(_, weights):
        first, second = weights
        hidden = inputs @ first
        error = hidden @ second
        back = error @ second.mT
        # Small, and used, so that no product can be left out and none overflows.
        return first + 1e-9 * (inputs.mT @ back), second + 1e-9 * (hidden.mT @ error)

    number = SEEDS * len(ALPHAS) * 3
    inputs = jax.random.uniform(jax.random.key(0), (number, 128, 74))
    weights = jnp.full((number, 74, 64), 0.01), jnp.full((number, 64, 10), 0.01)
    run = jax.jit(lambda weights: jax.lax.fori_loop(0, STEPS.value, step, weights))
    return lambda: jax.block_until_ready(run(weights))


def pytorch():
    """A way that trains one run of each method, in a loop that does nothing else. Raises ImportError without PyTorch."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)  # faster than two for a network of this size
    inputs, labels = torch.rand(1200, 74), torch.randint(10, (1200,))

    def train(method: str) -> None:
        net = torch.nn.Sequential(torch.nn.Linear(74, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
        optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10_000)
        order = torch.randperm(1200)
        for step in range(STEPS.value):
            at = step % 9
            if at == 0:
                order = torch.randperm(1200)
            rows = order[128 * at : 128 * (at + 1)]
            x, target = inputs[rows], functional.one_hot(labels[rows], 10).float()
            if method == "label_smoothing":
                target = 0.9 * target + 0.01
            if method == "mixup":
                partner, lam = torch.randperm(128), torch.rand(128, 1)
                x, target = lam * x + (1 - lam) * x[partner], lam * target + (1 - lam) * target[partner]
            loss = -(target * functional.log_softmax(net(x), 1)).sum(1).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()

    def way() -> None:
        for method in ("erm", "label_smoothing", "mixup"):
            train(method)

    return way


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))
