"""Settings made before jax is imported: the allocator, XLA's flags for the CPU, and where compiled programs are kept.

What environment variables set already, those of glibc's allocator among them, is left as it is.
"""

import ctypes
import hashlib
import logging
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from lamv import files
from lamv.errors import LamvError

#: JAX's own name for the folder.
COMPILED = "JAX_COMPILATION_CACHE_DIR"
#: Bytes of compiled programs that are kept, for each set of versions, flags and processor; the least recently used go first.
MOST_BYTES = 2**30
logger = logging.getLogger("lamv.xla")
_allocator = "the system's default"


def prepare() -> None:
    """Set the allocator, XLA's flags, and the cache of compiled programs, whose place depends on the flags.

    LAMV_XLA_FLAGS=0 leaves the allocator and the flags as they are, LAMV_CACHE=0 keeps no programs.
    """
    if os.environ.get("LAMV_XLA_FLAGS", "1") != "0":
        _keep_freed_memory()
        _use_fast_convolutions()
    _keep_compiled()


def settings() -> dict[str, str]:
    """What is set in this process, by `prepare` or by the user: the allocator, XLA's flags, the folder of programs."""
    compiled = os.environ.get(COMPILED)
    return {
        "allocator": _allocator,
        "XLA_FLAGS": os.environ.get("XLA_FLAGS") or "none",
        "compiled programs": f"kept in {compiled}" if compiled else "not kept",
    }


def _keep_freed_memory() -> None:
    """Tell glibc to keep the memory that a step frees for the next one. Other C libraries are left as they are.

    XLA asks for the temporaries of a step as one block and frees it afterwards; given back to the system, its pages come
    back one by one, zeroed, at the next step: an eighth of the time of a residual network's. The arenas that glibc has for
    other threads hold no large blocks, so there is one for all.
    """
    global _allocator
    arenas, mapped_blocks, kept_bytes = -8, -4, -1  # M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
    own = sorted(name for name in os.environ if name.startswith("MALLOC_") or name == "GLIBC_TUNABLES")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if own:
        _allocator = f"as set by {', '.join(own)}"
    elif mallopt and all(mallopt(*one) == 1 for one in ((arenas, 1), (mapped_blocks, 0), (kept_bytes, 2**31 - 1))):
        _allocator = "freed memory is kept"


def _use_fast_convolutions() -> None:
    """XLA's faster dot products on the CPU, which its gradients of convolutions use.

    XLA aborts over a flag that it does not know, so this is set only for versions it was tried with.
    """
    given = os.environ.get("XLA_FLAGS", "")
    tried = metadata.version("jaxlib").startswith(("0.10.", "0.11.", "0.12."))
    if tried and "ynn" not in given:
        os.environ["XLA_FLAGS"] = f"{given} --xla_cpu_experimental_ynn_fusion_type=dot".strip()


def _keep_compiled() -> None:
    """Keep compiled programs in the user's cache, mode 0700: whoever writes to it can run code."""
    if COMPILED in os.environ or os.environ.get("LAMV_CACHE") == "0":
        return
    try:
        files.refuse_foreign(files.user_cache(), "LAMV_CACHE")
        folder = files.private_folder("compiled", _target())
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
