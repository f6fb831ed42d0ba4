"""How much memory there is, so that what cannot fit is refused before anything is allocated. Without jax."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Available(NamedTuple):
    """Bytes that this process may still allocate, and whose limit that is, for messages."""

    bytes: int
    limit: str


def available() -> Available:
    """The least of: memory that the machine has free, the limit of the container, and that of the process (ulimit -v)."""
    limits = [Available(_free_of_machine(), "free on this machine")]
    for file in CGROUPS:
        limit = _number(file)
        if limit is not None:
            used = _number(file.replace("memory.max", "memory.current").replace("limit_in", "usage_in")) or 0
            limits.append(Available(limit - used, "left to this container"))
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        limits.append(Available(limit - _address_space(), "left to this process (ulimit -v)"))
    least = min(limits)
    return least._replace(bytes=max(least.bytes, 0))


def shortage(needed: int) -> str:
    """ "3.4 GiB, and 2.0 GiB are free on this machine"; "" where so many bytes can be allocated."""
    there = available()
    return f"{shown(needed)}, and {shown(there.bytes)} are {there.limit}" if needed > there.bytes else ""


def shown(number: float) -> str:
    """Bytes in the unit that suits them: "3.4 GiB"."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = min(len(units) - 1, max(0, int(number).bit_length() - 1) // 10)
    return f"{number / 1024**power:,.{min(power, 1)}f} {units[power]}"


def _free_of_machine() -> int:
    """Available without swapping, on Linux; elsewhere all memory of the machine."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _address_space() -> int:
    """Reserved by this process, on Linux; elsewhere 0."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _number(file: str) -> int | None:
    """The number in a file of the kernel; None without a limit."""
    try:
        text = Path(file).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 1 << 60 else None
