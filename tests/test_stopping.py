"""Signals: a command ends at once wherever it is, unless it holds something that is not saved."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamv import stopping

ROOT = Path(__file__).parents[1]
#: A command that says when it is where it is to be stopped.
BEGIN = "import signal, sys, time\nfrom lamv import files, stopping\nstopping.listen()\n"
READY = "print('ready', flush=True)\n"
PLACES = {
    "sleeping": f"{READY}time.sleep(60)",
    # In a call of C, where no handler of Python's is called.
    "computing": f"import numpy as np\na = np.ones((9000, 9000))\n{READY}a @ a",
    "running": f"{READY}while True: pass",
    "importing": f"sys.path.insert(0, sys.argv[1])\n{READY}import slow",
    "held, with nothing to lose": f"with stopping.StopRequest() as stop, stop.nothing_to_lose():\n  {READY}  time.sleep(60)",
    "left": f"with stopping.StopRequest() as stop:\n  pass\n{READY}time.sleep(60)",
}
HELD = f"with stopping.StopRequest() as stop:\n  {READY}  while not stop.asked: time.sleep(.01)\n  print(stop.asked, flush=True)\n"


def started(code, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = process.stdout.readline()
    if said != "ready\n":
        process.kill()
        pytest.fail(f"{said}{process.communicate()}")
    return process


def ended(process, seconds=10):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", PLACES)
def test_a_signal_ends_a_command_wherever_it_is(place, number, tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    process = started(PLACES[place], tmp_path)
    process.send_signal(number)
    name = number.name
    assert ended(process) == (75, "", f"error: stopped by {name}; what was saved is kept; run the same command again\n")


def test_what_is_held_is_ended_first():
    process = started(HELD + "  print('saved', flush=True)\n  raise SystemExit(3)")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (3, "SIGTERM\nsaved\n", "")


def test_a_signal_that_came_while_something_was_held_ends_the_command_after_it():
    process = started(HELD + "time.sleep(60)")
    process.send_signal(signal.SIGTERM)
    code, out, err = ended(process)
    assert (code, out) == (75, "SIGTERM\n") and err.startswith("error: stopped by SIGTERM after the last step")


def test_a_second_signal_does_not_wait():
    process = started(HELD + "  time.sleep(60)")
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "SIGTERM\n"
    process.send_signal(signal.SIGTERM)
    code, _, err = ended(process)
    assert code == 75 and err.startswith("error: stopped by a second SIGTERM; ")


#: An object that is taken down after the interpreter has let go of signals.
GOES = "import os\nclass Slow:\n  def __del__(self, write=os.write, wait=time.sleep):\n    write(1, b'ready\\n')\n    wait(1)\nslow = Slow()\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_what_is_done_changes_nothing(number):
    process = started(f"{GOES}stopping.finished()")
    process.send_signal(number)
    assert ended(process) == (0, "", "")
    process = started(GOES)
    process.send_signal(number)
    assert ended(process)[0] == -number, "if this is 0, stopping.finished has no use any more"


def test_what_was_being_written_is_removed(tmp_path):
    beside = tmp_path / ".page.tmp"
    beside.write_text("half")
    process = started(f"from pathlib import Path\nfiles.unfinished.add(Path({str(beside)!r}))\n{READY}time.sleep(60)")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 75 and not beside.exists()


def test_a_reader_that_has_stopped_reading_does_not_keep_a_command():
    process = started(f"import os\nos.set_blocking(2, False)\n{READY}"
                      "try:\n  while True: os.write(2, b'x' * 4096)\nexcept BlockingIOError: pass\n"
                      "os.set_blocking(2, True)\nprint('full', flush=True)\ntime.sleep(60)")  # fmt: skip
    assert process.stdout.readline() == "full\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 75
    process.stdout.close()
    process.stderr.close()


def test_a_child_process_does_not_speak_for_its_parent():
    code = f"import os\npid = os.fork()\nif pid == 0: {READY.strip()}; time.sleep(60)\n"
    of_parent = "time.sleep(.5)\nos.kill(pid, signal.SIGTERM)\nprint(os.waitpid(pid, 0)[1], flush=True)"
    process = started(code + of_parent)
    assert ended(process)[:2] == (0, f"{int(signal.SIGTERM)}\n")


def test_where_nobody_listens_what_is_held_hears_by_itself():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with stopping.StopRequest() as stop:
        assert stop.asked == ""
        os.kill(os.getpid(), signal.SIGTERM)
        until = time.monotonic() + 5
        while not stop.asked and time.monotonic() < until:
            time.sleep(0.01)
        assert stop.asked == "SIGTERM"
        assert [signal.getsignal(number) for number in stopping.SIGNALS] == before, "a second signal ends it at once"
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before
