"""What is slow, missing or surprising in an examination by lamv.suite.doctor: what it is, why, and what to do."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Found = Mapping[str, Any]
#: Settings under which JAX is slow, and why.
SLOW_SETTINGS = {
    "JAX_DISABLE_JIT": "nothing is compiled",
    "JAX_DEBUG_NANS": "every operation is checked for NaN",
    "JAX_ENABLE_X64": "numbers have 64 bits",
    "JAX_LOG_COMPILES": "every compilation is logged",
}
GPU_FILES, TPU_FILES = ("/proc/driver/nvidia/version", "/dev/nvidia0"), ("/dev/accel0", "/dev/vfio/0")
#: Cores in use below which a CPU's steps waited; seconds that a line may take to reach the disk; bytes of free memory.
FEW_CORES, SLOW_DISK, LITTLE_MEMORY = 0.6, 0.1, 2 * 2**30


def of(found: Found) -> list[str]:
    """Sentences on an examination, what weighs most first."""
    parts = (_of_devices, _of_machine, _of_settings, _of_data)
    return [sentence for part in parts for sentence in part(found)]


def _of_devices(found: Found) -> Iterator[str]:
    platforms = {device.get("platform") for device in found["devices"]}
    if _any_file(GPU_FILES) and not platforms & {"gpu", "cuda"}:
        yield "JAX does not use the NVIDIA GPU that is here: pip install 'jax[cuda13]', and leave JAX_PLATFORMS unset"
    if _any_file(TPU_FILES) and "tpu" not in platforms:
        yield "JAX does not use the TPU that may be here: pip install 'jax[tpu]'"
    for device in found["devices"]:
        if "error" in device:
            yield f"{device['name']} fails: {device['error']}"
        for model, steps in device.get("steps", {}).items():
            if device["platform"] == "cpu" and steps["cores_in_use"] < FEW_CORES:
                yield (
                    f"steps of the {model} had {steps['cores_in_use']:g} cores: other work took the processor, and on a"
                    f" quiet machine they are about {1 / max(steps['cores_in_use'], 0.01):.2g} times as fast"
                )


def _of_machine(found: Found) -> Iterator[str]:
    machine = found["machine"]
    cores = machine["quota"] or machine["cores"]
    if cores < machine["cores"]:
        yield f"this container may use {cores:g} of {machine['cores']} cores"
    if machine["load"] > 1.5 * cores:
        yield f"a load of {machine['load']:g} on {cores:g} cores: every time here is longer than on a quiet machine"
    if machine["memory_bytes"] < LITTLE_MEMORY:
        yield f"little memory: {machine['memory']}"
    if machine["disk_seconds"] is None:
        yield "this folder cannot be written to: give another --workdir"
    elif machine["disk_seconds"] > SLOW_DISK:
        yield f"the disk takes {machine['disk_seconds']:g} s for a line: give another --workdir, or raise log_every"


def _of_settings(found: Found) -> Iterator[str]:
    environment = found["environment"]
    flags = environment.get("XLA_FLAGS", "")
    if environment.get("LAMV_XLA_FLAGS") == "0" and "ynn" not in flags:
        yield "convolutions on a CPU are slower without lamv's flag of XLA: unset LAMV_XLA_FLAGS"
    if "backend_optimization_level=0" in flags:
        yield "XLA_FLAGS has XLA compile without optimising, so that programs are slow"
    if found["cache"]["folder"] is None:
        yield "compiled programs are not kept, so that every run compiles anew: unset LAMV_CACHE"
    for name, why in SLOW_SETTINGS.items():
        if environment.get(name, "0").lower() not in ("0", "false", ""):
            yield f"{name} is set: {why}"


def _of_data(found: Found) -> Iterator[str]:
    for entry in found["data"]:
        for file in entry["files"]:
            if file["official"] is False:
                yield f"{entry['name']}: {file['file']} in {entry['path']} is not the official file"


def _any_file(paths: Iterable[str]) -> bool:
    return any(os.path.exists(path) for path in paths)
