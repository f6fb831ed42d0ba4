"""Before jax is imported: eight devices, carved out of the CPU, for every test, and a cache of what is compiled."""

import atexit
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

# What tests compile they run for a few steps: most of their time is compilation, which level 0, one module of LLVM for a
# program instead of many, and the older way to compile fusions make a quarter of what it is. XLA aborts over a flag that it
# does not know; 0.12 no longer has the older way.
FLAGS = [
    "--xla_force_host_platform_device_count=8",
    "--xla_backend_optimization_level=0",
    "--xla_cpu_parallel_codegen_split_count=1",
]
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 12):
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *FLAGS]).strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Tests train the same small recipes again and again; what one has compiled, the others need not, nor do the commands
# that they start.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="lamv-tests-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

# Commands that tests start would compile every module of lamv anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import jax  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from tests.at_hand import LONG  # noqa: E402

# Nothing is broadcast to a higher rank silently.
jax.config.update("jax_numpy_rank_promotion", "raise")

# How fast a machine is, is not what a test is about: no deadline for an example, nor for drawing one.
settings.register_profile("lamv", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lamv")


def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that no worker still has it when the others are done."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
