"""How often verdicts were right where the truth is known (benchmarks.audit), and whether the data is of that kind."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Written by python -m benchmarks.audit --write.
FILE = Path(__file__).with_name("reliability.json")


def statement(content: Mapping[str, Any]) -> dict[str, Any]:
    """The measured reliability, with "outside": in what the data differs from the worlds, a sentence each."""
    known = json.loads(FILE.read_text(encoding="utf-8"))
    return known | {"outside": outside(content["data"], content["plan"], known)}


def outside(data: Mapping[str, Any], plan: Mapping[str, Any] | None, known: Mapping[str, Any]) -> list[str]:
    """In what the data differs from that of the worlds; [] where it does not."""
    found = []
    number, classes = sum(data["counts"]), sum(count > 0 for count in data["counts"])
    low, high = known["examples"]
    if not low <= number <= high:
        found.append(f"It has {number:,} examples; the worlds had {low:,} to {high:,}.")
    if classes > max(known["classes"]):
        found.append(f"It has {classes} classes; the worlds had {' or '.join(map(str, known['classes']))}.")
    if data["inputs"].startswith("images") and plan and plan["model"] not in known["networks"]:
        found.append(f"Its network is {plan['model']}; in the worlds it was {' or '.join(known['networks'])}.")
    if data["inputs"].startswith("images"):
        found.append("It shows photographs or the like; the worlds showed smooth random patterns.")
    return found
