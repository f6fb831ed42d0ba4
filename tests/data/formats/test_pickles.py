"""Pickles run nothing."""

import codecs
import os
import pickle

import pytest
from cifar_files import PYTHON, replaced, write_folder


class Hostile:
    def __init__(self, call, *args):
        self.call, self.args = call, args

    def __reduce__(self):
        return self.call, self.args


@pytest.mark.parametrize("file", ["data_batch_1", "batches.meta"])
def test_hostile_pickle_runs_nothing(tmp_path, refused, file):
    target = tmp_path / "written"
    attacks = [
        Hostile(os.system, f"touch {target}"),
        Hostile(exec, f"open({str(target)!r}, 'w')"),
        Hostile(open, target),
    ]
    for number, attack in enumerate(attacks):
        for protocol in (0, 2, 5):
            files = replaced(PYTHON, file, pickle.dumps({b"data": attack}, protocol=protocol))
            path = write_folder(tmp_path / f"{number}-{protocol}", files)
            refused("cifar10", path, path / file, "could run code", "official archive")
    assert not target.exists()


@pytest.mark.parametrize("encoding", ["hex", "zlib", "utf-16"])
def test_a_pickle_may_not_encode_as_it_likes(tmp_path, refused, encoding):
    """An encoding that doubles its input makes 2^N bytes of N steps."""
    attack = pickle.dumps({b"data": Hostile(codecs.encode, "abc", encoding)}, protocol=2)
    path = write_folder(tmp_path / PYTHON, replaced(PYTHON, "data_batch_1", attack))
    refused("cifar10", path, "damaged pickle", encoding, "latin1 is allowed")
