"""What Tab offers, and that a shell takes it."""

import shlex
import subprocess

import pytest

from lamv import suite
from lamv.knobs import KNOB, Registered
from lamv.suite import completion


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lamv tra", ["train"]),
        ("lamv list mit", ["mitigations"]),
        ("lamv list methods mid", ["midpoint"]),
        ("lamv list methods mixup ", []),
        ("lamv train --config=spurious/digits_", ["--config=spurious/digits_grid"]),
        ("lamv theory --config=theory/two", ["--config=theory/two_moons"]),
        ("lamv train --config=theory/two", []),
        ("lamv train --config.method.name=mid", ["--config.method.name=midpoint"]),
        ("lamv train --config.mitigation.name=j", ["--config.mitigation.name=jtt"]),
        (
            "lamv train --config.optim.schedule=c",
            ["--config.optim.schedule=cosine", "--config.optim.schedule=constant"],
        ),
        ("lamv train --config.data.flatten=", ["--config.data.flatten=True", "--config.data.flatten=False"]),
        ("lamv train --config.optim.lr=", []),
        ("lamv train --config.optim.lr", ["--config.optim.lr="]),
        ("lamv train --row", ["--rows="]),
        ("lamv evaluate --workdir=", []),
        ("lamv report --ru", ["--runs="]),
        ("lamv nothing --x", []),
        ("lamv --completion f", ["fish"]),
        ("lamv train --config='an open quote", []),
    ],
)
def test_a_line_is_completed(line, offered):
    assert completion.candidates(line) == offered


def test_nothing_yet_offers_the_commands():
    assert set(suite.commands()) < set(completion.candidates("lamv "))


def test_quick_names_are_those_that_are_registered():
    for key in KNOB:
        allowed = KNOB[key].allowed
        if isinstance(allowed, Registered) and allowed.registry in completion.QUICK:
            assert set(completion._values("train", f"--config.{key}")) == {*allowed.names} - {""}, key


@pytest.mark.parametrize(
    ("line", "offered", "taken"),
    [
        ("lamv tra", ["train"], ["train "]),
        ("lamv train --config=dig", ["--config=digits_tag"], ["digits_tag "]),
        ("lamv train --config.optim.l", ["--config.optim.lr="], ["--config.optim.lr="]),
        ("lamv train --config=own:t", ["--config=own:table", "--config=own:text"], ["table", "text"]),
        ("lamv evaluate --workdir=", [], []),
    ],
)
def test_bash_takes_what_follows_its_own_split(line, offered, taken):
    answer = (
        f"lamv() {{ [[ $2 == {shlex.quote(line)} ]] && printf '%s\\n' {shlex.join(offered)}; }}"
        if offered
        else "lamv() { :; }"
    )
    script = f"{completion.SCRIPTS['bash']}\n{answer}\nCOMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}\n_lamv\n"
    script += 'printf "%s|" "${COMPREPLY[@]}"'
    found = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60)
    assert found.stdout.split("|")[:-1] == (taken or [""]), found.stderr
