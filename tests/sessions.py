"""Sessions for tests of many short runs: what one of them has compiled, the others need not, as with rows of one run."""

import json

from lamv.train.session import Session


class Shared(Session):
    """A session with the compiled functions of all that were made before it for the same data and devices."""

    compiled: dict = {}

    def __init__(self, rows, devices=None):
        super().__init__(rows, devices)
        config = rows[0].config
        common = config.eval_batch_size, json.dumps(config.parallel.to_dict(), sort_keys=True)
        read = tuple(source.sha256 for source in self.splits.sources)
        self.functions = self.compiled.setdefault((common, read, self.layout.mesh), {})
