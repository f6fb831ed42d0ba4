"""What is recorded of where numbers come from, and what is found to have changed."""

from lamv.data.splits import Source
from lamv.train import provenance

NOW = {
    "command": ["train.py"], "python": "3.11.7", "packages": {"lamv": "0.1.0", "jax": "0.10.2"}, "code": "c" * 64,
    "git_commit": "g" * 40, "device": {"kind": "cpu", "count": 1, "mesh": {"data": 1}}, "xla_flags": "", "data": [],
}  # fmt: skip


def other(**changes):
    return NOW | changes


def test_everything_that_bits_may_depend_on_is_compared():
    assert provenance.changes(NOW, NOW) == []
    before = other(python="3.12.0", packages={"lamv": "0.1.0", "jax": "0.9"}, code="d" * 64, xla_flags="--fast",
                   device={"kind": "TPU", "count": 4, "mesh": {"data": 4}})  # fmt: skip
    assert provenance.changes(before, NOW) == [
        "python 3.12.0 -> 3.11.7", "jax 0.9 -> 0.10.2", "code dddddddddddd -> cccccccccccc", "device.kind TPU -> cpu",
        "device.count 4 -> 1", "device.mesh.data 4 -> 1", "xla_flags --fast -> none",
    ]  # fmt: skip
    assert provenance.in_a_line(provenance.changes(before, NOW)).endswith("device.mesh.data 4 -> 1 and 1 more")


def test_what_is_not_stored_is_not_compared():
    assert provenance.changes({}, NOW) == []
    assert provenance.changes({"packages": {"flax": "1"}, "device": 3, "python": None}, NOW) == [
        "python None -> 3.11.7"
    ]


def test_the_command_and_the_data_are_no_environment():
    assert provenance.changes(other(command=["x"], data=[1]), NOW) == []


def test_history_grows_when_something_changes_and_only_then():
    first = provenance.continued({}, NOW, 0)
    assert "history" not in first
    second = provenance.continued(other(python="3.10"), NOW, 20)
    assert [(entry["until_step"], entry["python"]) for entry in second["history"]] == [(20, "3.10")]
    assert provenance.continued(second, NOW, 30)["history"] == second["history"]
    third = provenance.continued(second, other(python="3.13"), 40)
    assert [(entry["until_step"], entry["python"]) for entry in third["history"]] == [(20, "3.10"), (40, "3.11.7")]
    assert provenance.continued(other(history="?"), NOW, 5) == NOW


def test_the_code_is_told_apart_from_the_version():
    made = provenance.provenance([Source("mine.npz", "a" * 64, None)], {"data": 1})
    assert len(made["code"]) == 64 and made["packages"]["lamv"] and made["data"][0]["sha256"] == "a" * 64
    assert provenance.changes(made, provenance.provenance([], {"data": 1})) == []


def test_data_is_the_same_whatever_it_is_called():
    stored = {"data": [{"file": "a.npz", "sha256": "1"}, {"file": "b.npz", "sha256": "2"}]}
    same = [Source("b.npz", "2", None), Source("moved.npz", "1", None)]
    assert provenance.same_data(stored, same) == "" == provenance.same_data({}, same)
    assert provenance.same_data(stored, [*same[:1], Source("a.npz", "3", None)]) == (
        "a.npz has sha256 3, and had 1 when the run began"
    )
    assert provenance.same_data(stored, same[:1]) == "a.npz is no longer among the data"
    for broken in ({"data": 3}, {"data": [3]}, {"data": [{}]}):
        assert "cannot be read" in provenance.same_data(broken, same)
