"""XLA's settings, made before jax is imported: its flags for the CPU, and where it keeps what it compiled.

An environment variable that is set already is left as it is.
"""

import hashlib
import logging
import os
import platform
from importlib import metadata
from pathlib import Path

from lamv import files
from lamv.errors import LamvError

#: JAX's own name for the folder.
COMPILED = "JAX_COMPILATION_CACHE_DIR"
#: Bytes of compiled programs that are kept, for each set of versions, flags and processor; the least recently used go first.
MOST_BYTES = 2**30
logger = logging.getLogger("lamv.xla")


def prepare() -> None:
    """Set XLA's flags, then the cache of compiled programs, whose place depends on the flags."""
    _use_fast_convolutions()
    _keep_compiled()


def _use_fast_convolutions() -> None:
    """XLA's faster dot products on the CPU, which its gradients of convolutions use; LAMV_XLA_FLAGS=0 leaves them out.

    XLA aborts over a flag that it does not know, so this is set only for versions it was tried with.
    """
    given = os.environ.get("XLA_FLAGS", "")
    tried = metadata.version("jaxlib").startswith(("0.10.", "0.11.", "0.12."))
    if tried and "ynn" not in given and os.environ.get("LAMV_XLA_FLAGS", "1") != "0":
        os.environ["XLA_FLAGS"] = f"{given} --xla_cpu_experimental_ynn_fusion_type=dot".strip()


def _keep_compiled() -> None:
    """Keep compiled programs in the user's cache, mode 0700: whoever writes to it can run code. LAMV_CACHE=0 keeps none."""
    if COMPILED in os.environ or os.environ.get("LAMV_CACHE") == "0":
        return
    try:
        cache = files.user_cache()
        files.refuse_foreign(cache, "LAMV_CACHE")
        folder = cache / "compiled" / _target()
        for made in (cache, folder.parent, folder):  # mkdir gives its mode to the last folder alone
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, LamvError) as error:
        logger.warning("compiled programs are not kept for the next run: %s", error)
        return
    os.environ[COMPILED] = str(folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(MOST_BYTES))


def _target() -> str:
    """What programs are compiled for: the version of jaxlib, and a digest of XLA's flags and the processor.

    A home may be shared by machines, and a program that was compiled for one processor fails on another.
    """
    processor = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:  # no Linux
        processor += platform.processor()
    digest = hashlib.sha256(f"{os.environ.get('XLA_FLAGS', '')}\n{processor}".encode()).hexdigest()[:12]
    return f"jaxlib-{metadata.version('jaxlib')}-{digest}"
