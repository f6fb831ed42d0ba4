"""What lamv runs on: versions, devices, flags, memory, data, and how fast a step is here; lamv.suite.remarks judges it."""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lamv import config as configs
from lamv import memory, places, suite, xla
from lamv.errors import LamvError, one_line
from lamv.rows import expand
from lamv.suite import data_found, remarks

Found = dict[str, Any]
#: Variables of the environment that change what a run does; no others are shown.
VARIABLES = ("JAX_", "XLA_", "LAMV_", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL")
#: Of these, those that lamv sets itself, for the programs it keeps.
OF_CACHE = ("JAX_COMPILATION_CACHE_", "JAX_PERSISTENT_CACHE_")
OFFICIAL = {True: "official", False: "NOT the official one", None: "of which no official digest is known"}
#: The steps that are timed: of two models, on scikit-learn's digits in batches of 128, with smoothed labels.
SMOOTHED = {"method.name": "label_smoothing", "method.smoothing": 0.1, "optim.name": "adam", "optim.lr": 1e-3}
MODELS = {"mlp": {"model.name": "mlp", "model.widths": (64,), "data.flatten": True}, "cnn": {"model.name": "cnn"}}


def examine(seconds: float = 5.0, places: Iterable[str] = ()) -> Found:
    """All of it, as plain data. seconds: of steps on each device. places: folders to look for data in, beside the usual.

    "failed" lists the devices, by name, that could not take a step.
    """
    began = time.perf_counter()
    found: Found = {"software": _software(), "machine": _machine(), "environment": _environment(), "cache": _cache()}
    found["devices"], found["failed"] = _devices(seconds)
    found["data"] = data_found.find(places)
    found["remarks"] = remarks.of(found)
    found["seconds"] = round(time.perf_counter() - began, 1)
    return found


def _software() -> Found:
    from lamv.train import provenance

    return {**provenance.software(), "executable": sys.executable, "lamv at": str(places.ROOT)}


def _machine() -> Found:
    free = memory.available()
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "quota": _quota(),
        "load": round(os.getloadavg()[0], 1),
        "memory": f"{memory.shown(free.bytes)} {free.limit}",
        "memory_bytes": free.bytes,
        "disk_seconds": _disk_seconds(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def _quota() -> float | None:
    """Cores that the container may use at a time; None without a limit."""
    try:
        most, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return round(int(most) / int(period), 2) if most != "max" else None
    except (OSError, ValueError):
        return None


def _disk_seconds() -> float | None:
    """How long a line takes to reach the disk here; None where this folder cannot be written to."""
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()) as file:
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            return round(time.perf_counter() - began, 4)
    except OSError:
        return None


def _environment() -> dict[str, str]:
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)}


def _cache() -> Found:
    """The compiled programs that are kept from earlier runs."""
    folder = os.environ.get(xla.COMPILED)
    if not folder:
        return {"folder": None}
    sizes = [path.stat().st_size for path in Path(folder).glob("*-cache")] if Path(folder).is_dir() else []
    return {"folder": folder, "programs": len(sizes), "size": memory.shown(sum(sizes))}


def _devices(seconds: float) -> tuple[list[Found], list[str]]:
    """What is known of each device, and the names of those that fail."""
    import jax

    try:
        local = jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # of JAX, which has none of the platforms that it was told to use
        name = f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}"
        return [{"name": name, "error": f"JAX finds no such device ({one_line(error)}); unset it"}], [name]
    devices, failed = [], []
    for device in local:
        stats = device.memory_stats() or {}
        found: Found = {"name": str(device), "kind": device.device_kind, "platform": device.platform}
        if "bytes_limit" in stats:
            found["memory"] = memory.shown(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
        try:
            found["steps"] = {name: _timed(device, knobs, seconds / len(MODELS)) for name, knobs in MODELS.items()}
        except (RuntimeError, LamvError) as error:  # of XLA: no memory, a driver of another version
            found["error"] = one_line(error)
            failed.append(found["name"])
        devices.append(found)
    return devices, failed


def _timed(device: Any, knobs: Mapping[str, Any], seconds: float) -> Found:
    """Steps of the training engine: seconds until the first is done, and then the pace and the cores in use."""
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    config = configs.defaults()
    config.steps = 10**6
    config.rows = {"doctor": {**SMOOTHED, **knobs}}
    [row] = expand(config)
    run = VariantRun(row, Session([row], [device]))
    began = time.perf_counter()
    run.init()
    done, more = 0, 1

    def advance(steps: int) -> float:
        start = time.perf_counter()
        run.advance(done, done + steps)
        run.wait()
        return time.perf_counter() - start

    advance(1)
    first, done = time.perf_counter() - began, 1
    began, processor, steps = time.perf_counter(), time.process_time(), 0
    while (left := seconds - (time.perf_counter() - began)) > 0:
        took = advance(more)
        done, steps = done + more, steps + more
        # Half of the time that is left, and no leap beyond what is known.
        more = max(1, min(more * 8, int(left / 2 / max(took / more, 1e-6))))
    wall = time.perf_counter() - began
    [loss] = run.take_loss(done)
    return {
        "first_step_seconds": round(first, 2), "steps": steps, "steps_per_second": float(f"{steps / wall:.3g}"),
        "cores_in_use": round((time.process_time() - processor) / wall, 2), "loss": round(loss, 4),
    }  # fmt: skip


def as_text(found: Mapping[str, Any]) -> str:
    """An examination on one screen."""
    software, machine, cache = found["software"], found["machine"], found["cache"]
    packages = ", ".join(f"{name} {version}" for name, version in software["packages"].items() if version)
    lines = [
        ("versions", f"{packages}, python {software['python']}"),
        ("code", f"{software['lamv at']}, commit {software['git_commit'] or 'unknown'}, digest {software['code'][:12]}"),
        ("machine", f"{machine['system']}, {machine['processor']}, {machine['cores']} cores"
         f"{machine['quota'] and ' (quota ' + str(machine['quota']) + ')' or ''}, load {machine['load']}"),
        ("memory", machine["memory"]),
        ("flags", ", ".join(f"{name}={value}" for name, value in found["environment"].items()
                            if not name.startswith(OF_CACHE)) or "none"),
        ("programs", f"{cache['programs']} kept in {cache['folder']}, {cache['size']}" if cache["folder"] else "none kept"),
    ]  # fmt: skip
    for device in found["devices"]:
        free = f", {device['memory']} free" if "memory" in device else ""
        lines.append(("device", f"{device['name']}, {device.get('kind', 'unknown')}{free}"))
        lines += [("", f"{name}: {_pace(steps)}") for name, steps in device.get("steps", {}).items()]
    lines += [("data", "digits and diabetes come with scikit-learn"), *_data_lines(found["data"])]
    lines += [("remark", text) for text in found["remarks"]] or [("remarks", "none")]
    return suite.table(lines) + f"\n\nlooked at in {found['seconds']:g} s"


def _pace(steps: Mapping[str, Any]) -> str:
    return (
        f"{steps['steps_per_second']:g} steps/s of 128 digits, loss {steps['loss']:g}; the first step after"
        f" {steps['first_step_seconds']:g} s; {steps['cores_in_use']:g} cores in use"
    )


def _data_lines(found: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    for entry in found:
        when = "" if entry["files"] else " (digests are checked when it is read)"
        yield "", f"{entry['name']} in {entry['path']}{when}"
        for file in entry["files"]:
            yield "", f"- {file['file']}, sha256 {(file['sha256'] or 'unreadable')[:16]}…, {OFFICIAL[file['official']]}"
