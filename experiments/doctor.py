"""Say what lamv runs on here, how fast a step is, and what is slow and why; for a first look, or for a bug report.

    python -m experiments.doctor [--seconds=5] [--data=FOLDER] [--json]

Versions, devices, flags of XLA, memory, compiled programs, data sets at the usual places with the digests of their files,
and some seconds of training steps on each device. Nothing is written, but for compiled programs. Exit code 69 if a device
fails.
"""

import json
from typing import Any

from absl import flags

from experiments import launch
from lamv import xla
from lamv.errors import ConfigError, DeviceError

xla.prepare()

SECONDS = flags.DEFINE_float("seconds", 5.0, "Seconds of steps on each device, beside compilation.")
DATA = flags.DEFINE_string("data", None, "Folder in which to look for data sets, beside the usual ones.")
JSON = flags.DEFINE_bool("json", False, "Print JSON.")


def main() -> None:
    if not 0 < SECONDS.value <= 600:
        raise ConfigError(f"--seconds is {SECONDS.value:g}, must be above 0 and at most 600")
    from lamv.suite import doctor

    found: dict[str, Any] = doctor.examine(SECONDS.value, [DATA.value] if DATA.value else [])
    print(json.dumps(found, indent=1) if JSON.value else doctor.as_text(found))
    if found["failed"]:
        raise DeviceError(f"{', '.join(found['failed'])} cannot take a step; the remarks say why")


if __name__ == "__main__":
    launch.leave(launch.run(main, needs=()))
