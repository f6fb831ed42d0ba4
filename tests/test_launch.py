"""Flags: what makes no sense is exit 64, in one line, before jax is imported; and printing under a locale of ASCII."""

import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments import launch
from lamv.errors import ConfigError
from lamv.train import loop
from tests.recipes import mixup

ROOT = Path(__file__).parents[1]
TINY = "tests/recipes/tiny.py"


def one_line(message, *words):
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} is not said in: {message}"
    assert "\n" not in message and len(message) < 1000


# Several processes

ALL = ("--coordinator=10.0.0.1:1234", "--num_processes=2", "--process_id=1")


def replaced(flag, value):
    """ALL, with another value of one of its flags."""
    return [f"--{flag}={value}" if flag in argument else argument for argument in ALL]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--config=x.py", "--config.steps=3", "stray"],
        ["--distributed"],
        ["--nodistributed"],
        ["--distributed", "--num_processes=4", "--process_id=3"],
        ALL,
        ["--nodistributed", *ALL],
        ["--coordinator", "localhost:1", "--num_processes", "1", "--process_id", "0", "--config", "x.py"],
        ["--config", "x.py", *ALL],
        *(
            replaced("coordinator", address)
            for address in ("node-0.my_cluster.local:65535", "[::1]:80", "[fd00::1:2]:1234", "[fe80::1%eth0]:1234")
        ),
    ],
    ids=" ".join,
)
def test_processes_that_can_find_each_other_are_taken(arguments):
    launch._check_processes(["train", *arguments])


HOW = "give --coordinator=HOST:PORT, --num_processes and --process_id, or --distributed"
PROCESSES = [
    (["--num_processes=2"], "--num_processes is 2, and --coordinator and --process_id are missing", HOW),
    (["--process_id=0"], "--process_id is 0, and --coordinator and --num_processes are missing", HOW),
    (["--num_processes=2", "--process_id=0"], "and --coordinator is missing", HOW),
    (["--coordinator=a:1"], "--coordinator is 'a:1', and --num_processes and --process_id are missing", HOW),
    (["--coordinator=a:1", "--num_processes=2"], "and --process_id is missing", HOW),
    (["--distributed", "--num_processes=2"], "and --process_id is missing", HOW),
    (["--nodistributed", "--process_id=1"], "are missing", HOW),
    (["--distributed", *ALL], "--coordinator is '10.0.0.1:1234'", "with --distributed", "leave one of the two out"),
    (["--distributed", "--coordinator=a:1"], "leave one of the two out"),
    (["--distributed", "--num_processes=0", "--process_id=0"], "--num_processes is 0, must be at least 1"),
    (replaced("num_processes", 0), "--num_processes is 0, must be at least 1"),
    (replaced("num_processes", -2), "--num_processes is -2, must be at least 1"),
    (replaced("num_processes", 1), "--process_id is 1, must be from 0 to 0, as --num_processes is 1"),
    (replaced("process_id", 2), "--process_id is 2, must be from 0 to 1"),
    (replaced("process_id", -1), "--process_id is -1, must be from 0 to 1"),
    (replaced("process_id", "a"), "--process_id is 'a', must be of type int"),
    (replaced("num_processes", "1.5"), "--num_processes is '1.5', must be of type int"),
    (["--process_id"], "Missing value for flag --process_id"),
    (["--nodistributed=3"], "--nodistributed=3 does not take an argument"),
    *(
        (replaced("coordinator", address), "--coordinator is ", "must be HOST:PORT, with a port from 1 to 65535")
        for address in (
            "", "a", "a:", ":1", "a..b:1", "a:0", "a:65536", "a:-1", "a:b", "a:1:2", "a b:1", "http://a:1", "a:1/x",
            "::1:1", "[::1]", "[::1", "[::1]x:1", "[a]:1", "[]:1", "a:\u0661", "a:1\n", f"a:{'1' * 5000}", "x" * 10**6,
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", PROCESSES, ids=lambda case: " ".join(case[0])[-60:])
def test_processes_that_cannot_find_each_other_are_refused(case):
    arguments, *words = case
    with pytest.raises(ConfigError) as caught:
        launch._check_processes(["train", "--config=x.py", *arguments])
    one_line(str(caught.value), *words)


@pytest.fixture
def joined(monkeypatch):
    """Call join_processes with these flags; what reached JAX. `fails`: the error that JAX has for it."""
    import jax

    def call(distributed=False, coordinator=None, num_processes=None, process_id=None, fails=None):
        reached = []

        def initialize(*asked):
            reached.append(asked)
            if fails:
                raise fails

        monkeypatch.setattr(jax.distributed, "initialize", initialize)
        given = SimpleNamespace(
            distributed=distributed, coordinator=coordinator, num_processes=num_processes, process_id=process_id
        )
        monkeypatch.setattr(launch, "FLAGS", given)
        launch.join_processes()
        return reached

    return call


def test_a_process_alone_joins_nobody(joined):
    assert joined() == []


def test_processes_are_joined_once_the_first_one_answers(joined):
    assert joined(distributed=True) == [(None, None, None)]
    assert joined(coordinator="nowhere.invalid:1", num_processes=2, process_id=0) == [("nowhere.invalid:1", 2, 0)]
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "[::1]")):
        with socket.socket(family) as server:
            try:
                server.bind((host.strip("[]"), 0))
            except OSError:  # a machine without IPv6
                continue
            server.listen()
            address = f"{host}:{server.getsockname()[1]}"
            assert joined(coordinator=address, num_processes=2, process_id=1) == [(address, 2, 1)]


def test_a_first_process_that_does_not_answer_is_told_in_one_line(joined, monkeypatch, caplog):
    monkeypatch.setattr(launch, "PATIENCE", 0.3)
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with caplog.at_level("INFO", "lamv.launch"), pytest.raises(ConfigError) as caught:
            joined(coordinator=address, num_processes=2, process_id=1)
    one_line(str(caught.value), address, "nobody answered", "refused", "--process_id=0")
    assert [f"waiting for process 0 at {address}" in line for line in caplog.messages] == [True], "once, and at once"


@pytest.mark.parametrize("error", [ValueError("coordinator_address is missing"), RuntimeError("Failed to start")])
def test_what_jax_says_of_processes_is_told_in_one_line(joined, error):
    with pytest.raises(ConfigError) as caught:
        joined(distributed=True, fails=error)
    one_line(str(caught.value), "--distributed is given", str(error), "--coordinator=HOST:PORT")
    with pytest.raises(ConfigError) as caught:
        joined(coordinator="a:1", num_processes=2, process_id=0, fails=error)
    one_line(str(caught.value), "--coordinator is 'a:1'", str(error))


# Commands, in a process of their own, which must not have come to import jax

COMMAND = """
import json, sys
from experiments import launch, {module} as command
from lamv.errors import LamvError

told = []
for arguments in json.load(sys.stdin):
    for name in launch.FLAGS:
        launch.FLAGS[name].unparse()
    try:
        launch._parse(["command", *arguments], {needs}, {knobs}, {{}})
        told.append([0, {then}])
    except LamvError as error:
        told.append([error.exit_code, str(error)])
print(json.dumps([told, "jax" in sys.modules]))
"""


def told(module, cases, needs, knobs=None, then="None"):
    """[exit code, what is told] of each list of arguments."""
    script = COMMAND.format(module=module, needs=needs, knobs=knobs, then=then)
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, input=json.dumps(cases), capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr
    answers, imported = json.loads(found.stdout)
    assert not imported, "jax is imported before the flags are known to be right"
    return answers


EVALUATE = {
    "--examples=0": "--examples is 0, must be at least 2",
    "--examples=1": "--examples is 1, must be at least 2",
    "--examples=-5": "--examples is -5, must be at least 2",
    f"--examples={10**30}": "must be at least 2 and below 2^31",
    "--examples=many": "--examples is 'many', must be of type int",
    "--examples=1e3": "--examples is '1e3', must be of type int",
    "--robust_examples=5": "--robust_examples is '5' and would do nothing; add --attack=0.03 or --corruption=0.3",
    "--robust_examples=0 --attack=0.1": "--robust_examples is 0, must be at least 1",
    "--checkpoints=": "--checkpoints is '', must be last, all, or different steps of 1 or more",
    "--checkpoints=1,1": "must be last, all, or different steps",
    "--checkpoints=0": "must be last, all, or different steps of 1 or more",
    "--checkpoints=-1": "must be last, all, or different steps of 1 or more",
    "--checkpoints=1,,2": "must be last, all, or different steps",
    "--checkpoints=newest": "--checkpoints is 'newest', must be last, all,",
    "--checkpoints=last,1": "must be last, all, or different steps",
    f"--checkpoints={'9' * 10_000}": "must be last, all, or different steps",
    "--attack=": "--attack is '', must be numbers from 0 to 1",
    "--attack=2": "--attack is '2', must be numbers from 0 to 1",
    "--attack=nan": "--attack is 'nan', must be numbers from 0 to 1",
    "--attack=0.1,": "--attack is '0.1,', must be numbers",
    "--attack=0.1,0.10": "--attack is '0.1,0.10', must be numbers from 0 to 1, all different",
    "--attack=0.1,0.10000001": "all different",
    "--corruption=-0.1": "--corruption is '-0.1', must be numbers from 0 to 1",
    "--corruption=inf": "--corruption is 'inf', must be numbers from 0 to 1",
    "--corruption=a": "--corruption is 'a', must be numbers from 0 to 1",
    "--probe=": "--probe is '', must be different layers",
    "--probe=features,": "must be different layers",
    "--probe=features,features": "must be different layers",
    "--probe=all,features": "--probe is 'all,features', must be different layers with commas between, or all",
    "--transfer=digits": "--transfer is 'digits' and would do nothing; --probe names no layer",
    "--transfer= --probe=all": "--transfer is '', must be unseen, or NAME or NAME:PATH",
    "--transfer=unseen:x --probe=all": "--transfer is 'unseen:x', must be unseen, or NAME",
    "--transfer=mnists --probe=all": "did you mean 'mnist'?",
    "--transfer=mnist: --probe=all": "the path of --transfer is empty",
    "--transfer=mnist:gs://b/x --probe=all": "the path of --transfer is 'gs://b/x', must be a path on this machine",
    "--transfer=mnist:~nobody_of_this_name/x --probe=all": "there is no home of '~nobody_of_this_name'",
    "--classes=": "--classes is '', must be three different classes",
    "--classes=0,1": "--classes is '0,1', must be three different classes",
    "--classes=0,1,1": "must be three different classes",
    "--classes=0,1,-2": "must be three different classes",
    "--classes=a,b,c": "must be three different classes",
    "--brief --classes=3,4,5": "--classes is '3,4,5' and would do nothing with --brief",
    "--brief=maybe": "--brief is 'maybe', must be of type bool",
    "--nobrief=3": "--nobrief=3 does not take an argument; --help lists the flags",
    "--config.data.path=": "--config.data.path is empty, must be a path on this machine; Where the data lies",
    "--config.data.path=s3://b/x": "--config.data.path is 's3://b/x', must be a path on this machine",
    "--config.steps=3": "Unknown command line flag 'config.steps'",
    "--config=configs/digits_tag.py": "Unknown command line flag 'config'",
    "--flagfile=/nowhere": "Unable to open flagfile",
    "--workdir=": "--workdir is empty",
    "--workdir=gs://b/x": "--workdir is 'gs://b/x', must be a path on this machine",
    "--workdir=file:///data/x": "give '/data/x'",
    "--workdir": "Missing value for flag --workdir",
    "--num_processes=2": "--coordinator and --process_id are missing",
    "--coordinator=a:b --num_processes=2 --process_id=0": "--coordinator is 'a:b', must be HOST:PORT",
    "stray": "'stray' is not a flag",
    "x" * 10_000: "... is not a flag",
}
ASKED = "[command.checkpoints(), command.path_of_data(), command.options()]"


@pytest.fixture(scope="module")
def evaluated():
    cases = [["--workdir=/nowhere", *arguments.split(" ")] for arguments in EVALUATE]
    return dict(zip(EVALUATE, told("evaluate", cases, ("workdir",), then=ASKED), strict=True))


@pytest.mark.parametrize("arguments", EVALUATE, ids=lambda arguments: arguments[:60])
def test_a_flag_of_evaluate_that_makes_no_sense_is_refused(arguments, evaluated):
    code, message = evaluated[arguments]
    assert code == 64, message
    one_line(message, EVALUATE[arguments])


def test_flags_of_evaluate_that_make_sense_are_taken():
    home = os.path.expanduser("~")
    taken = {
        "": ["last", None, {}],
        "--checkpoints=all --brief --examples=2": ["all", None, {"brief": True, "examples": 2}],
        "--checkpoints=40,7,+20": ["7,20,40", None, {}],
        "--classes=9,0,5": ["last", None, {"classes": [9, 0, 5]}],
        "--attack=0,1e-3,1 --robust_examples=5": ["last", None, {"attacks": [0, 1e-3, 1], "robust_examples": 5}],
        "--corruption=0.5 --robust_examples=5": ["last", None, {"corruptions": [0.5], "robust_examples": 5}],
        "--probe=all": ["last", None, {"probe": ["all"]}],
        "--probe=logits,a --transfer=digits": ["last", None, {"probe": ["logits", "a"], "transfer": "digits"}],
        "--probe=all --transfer=npz:~/a:b.npz": ["last", None, {"probe": ["all"], "transfer": f"npz:{home}/a:b.npz"}],
        "--config.data.path=~/data": ["last", f"{home}/data", {}],
    }
    default = {
        "brief": False, "examples": None, "classes": [0, 1, 2], "attacks": [], "corruptions": [],
        "robust_examples": 1000, "probe": [], "transfer": "",
    }  # fmt: skip
    cases = [["--workdir=~/run", *arguments.split()] for arguments in taken]
    for (code, asked), (which, path, options) in zip(
        told("evaluate", cases, ("workdir",), then=ASKED), taken.values(), strict=True
    ):
        assert code == 0, asked
        assert asked == [which, path, default | options]


def test_a_flag_of_report_that_makes_no_sense_is_refused(tmp_path):
    cases = {
        "--runs=": "--runs is empty",
        "--runs=gs://b": "--runs is 'gs://b', must be a path on this machine",
        "--runs=x --out=": "--out is empty",
        "--runs=x --out=https://host/x.html": "download it",
        "--runs=x --out=/dev/null": "--out is '/dev/null', which is a pipe, a socket or a device, must be a file",
        f"--runs=x --out={tmp_path}": "which is a folder, must be a file",
        "--runs=x --workdir=x": "Unknown command line flag 'workdir'",
        "--runs=x --process_id=0": "Unknown command line flag 'process_id'",
        "--out=x.html": "--runs is missing",
        "runs": "'runs' is not a flag",
    }
    answers = told("report", [arguments.split() for arguments in cases], ("runs",))
    for (code, message), words in zip(answers, cases.values(), strict=True):
        assert code == 64
        one_line(message, words)
    assert os.stat("/dev/null").st_mode & 0o777 == 0o666 and not os.path.isfile("/dev/null")


def test_the_processes_of_train_are_checked_before_its_recipe_is_read():
    cases = [[f"--config={config}", "--workdir=x", "--num_processes=2"] for config in (TINY, "configs/nope.py")]
    for code, message in told("train", cases, ("config", "workdir"), knobs="command.knobs"):
        assert code == 64
        one_line(message, "--coordinator and --process_id are missing")


# Printing


def printed(text, encoding, monkeypatch):
    """What a terminal of that encoding shows of the text."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    launch._printable()
    print(text, end="", flush=True)
    return written.getvalue().decode(encoding)


def test_what_ascii_lacks_is_spelled(monkeypatch):
    text = "72.3 ± 3.9 · λ, ε, σ², Δ — ‖h‖ ≥ 2 × “x” … é\xa0中 \udcff a"
    told = '72.3 +- 3.9 - lambda, epsilon, sigma2, delta - ||h|| >= 2 x "x" ... e \\u4e2d \\udcff a'
    assert printed(text, "ascii", monkeypatch) == told


def test_what_an_encoding_has_is_left_alone(monkeypatch):
    assert printed("± ε é", "utf-8", monkeypatch) == "± ε é"
    assert printed("± ε é", "latin-1", monkeypatch) == "± epsilon é"


def test_an_output_that_is_no_file_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)
    launch._printable()
    print("±")
    assert sys.stdout.getvalue() == "±\n"


SHORT = ("--config=tests/recipes/mixup.py", "--config.steps=2", "--config.seeds=2", "--config.parallel.devices=1")
#: Settings under which Python writes ASCII.
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
}


def run(module, *arguments, locale):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))} | LOCALES[locale]
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{module}", *map(str, arguments)], cwd=ROOT, env=environment,
        capture_output=True, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("plain") / "run"
    loop.train(mixup.get_config(), workdir, {"steps": 2, "seeds": 2, "parallel.devices": 1})
    return workdir, run("train", *SHORT, f"--workdir={workdir}", locale="C")


def prints(result, *words):
    assert result.returncode == 0, result.stderr.decode()
    printed = result.stdout.decode("ascii")
    assert all(word in printed for word in words), printed
    assert b"Traceback" not in result.stderr


def test_a_finished_run_prints_its_table_in_ascii(trained):
    workdir, result = trained
    prints(result, "Each cell: mean +- sd", " +- ", "report.html")
    page = (workdir / "report.html").read_bytes().decode("utf-8")
    assert "±" in page, "what is written does not depend on the locale"


def test_an_encoding_of_ascii_is_as_its_locale(trained):
    workdir, first = trained
    again = run("train", *SHORT, f"--workdir={workdir}", locale="ascii")
    prints(again, " +- ")
    assert again.stdout == first.stdout


def test_a_path_that_the_locale_cannot_read_is_refused_with_the_locale_to_set(tmp_path):
    result = run("train", f"--config={TINY}", f"--workdir={tmp_path}/é", locale="C")
    assert result.returncode == 64
    one_line(result.stderr.decode("ascii").strip(), "must be text", "LC_ALL=C.UTF-8")
    assert not list(tmp_path.iterdir())
