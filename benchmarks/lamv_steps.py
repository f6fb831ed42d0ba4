"""Training steps of lamv's engine, as many as it is asked for on its standard input; `train_step` starts this.

python -m benchmarks.lamv_steps MODEL BATCH DTYPE
"""

import json
import sys
import tempfile
import time

from lamv import xla

xla.prepare()

WARM_UP = 2


def main(name: str, batch: int, dtype: str) -> None:
    import jax

    from benchmarks import timing
    from lamv import models
    from lamv.rows import expand
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, name, dtype)
        config.batch_size, config.method.name, config.optim.weight_decay = batch, "mixup", 5e-4
        config.steps, config.optim.lr = 1_000_000, 0.01
        config.method.lam_per, config.parallel.devices = "batch", 1
        if name == "mlp":
            config.model.widths = (2048, 2048)
        [row] = expand(config)
        run = VariantRun(row, Session([row]))
    run.init()
    [replicas] = run.replicas
    parameters = models.count_parameters(jax.tree.map(lambda leaf: leaf[0], replicas.state.params))
    run.advance(0, WARM_UP)
    run.wait()
    about = {"parameters": parameters, "version": f"jax {jax.__version__}", "device": jax.default_backend()}
    print(json.dumps(about), flush=True)
    step = WARM_UP
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        run.advance(step, step + int(line))
        run.wait()
        step += int(line)
        print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
