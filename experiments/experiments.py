"""What a command imports as `experiments` if it is called by its file: python experiments/train.py --config=...

Python then looks for modules beside that file, and finds this one. The package takes its place, and the command goes on.
"""

import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])
del sys.modules["experiments"]
importlib.import_module("experiments")

from lamv import stopping  # noqa: E402

stopping.listen()
