"""Paths that a user gives: a home is found, and what is no path of this machine is refused in one line."""

import os
import sys

import pytest

from lamv import paths
from lamv.errors import ConfigError


def refused(path, *words, check=paths.local):
    with pytest.raises(ConfigError) as caught:
        check("--workdir", path, "Directory for the run.")
    message = str(caught.value)
    assert all(word in message for word in ("--workdir", *words)), message
    assert "\n" not in message and len(message) < 500


@pytest.mark.parametrize(
    "path", ["run", "/a/b", "./é", "a/12:30", "a:b/c", "C:/x", "//share/x", "-x", "a b", "x~", "new\nline", "s3.txt"]
)
def test_a_path_is_left_as_it_is(path):
    assert paths.local("--workdir", path) == path


def test_a_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert paths.local("--workdir", "~") == "/home/me"
    assert paths.local("--workdir", "~/runs/~") == "/home/me/runs/~"


def test_a_home_of_nobody_is_refused_unless_something_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("~nobody_of_this_name/x", "'~nobody_of_this_name/x'", "no home of '~nobody_of_this_name'", "in full")
    (tmp_path / "~nobody_of_this_name").mkdir()
    assert paths.local("--workdir", "~nobody_of_this_name/x") == "~nobody_of_this_name/x"


@pytest.mark.parametrize("path", ["", " ", "\t\n"])
def test_an_empty_path_is_refused(path):
    refused(path, "is empty", "Directory for the run.")


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("gs://bucket/x", "mount what it names, or copy it here"),
        ("gs:/bucket/x", "mount"),
        ("S3://bucket", "mount"),
        ("memory://x", "mount"),
        ("file://elsewhere/x", "mount"),
        ("http://host/x", "download it"),
        ("https:/host/x", "download it"),
        ("file:///data/a%20b", "give '/data/a b'"),
        ("file:/data/x", "give '/data/x'"),
        ("FILE://localhost/x", "give '/x'"),
        (f"gs://{'x' * 10**6}", "mount"),
    ],
    ids=lambda value: value[:30],
)
def test_a_url_is_refused_with_what_to_do_instead(path, advice):
    refused(path, "local paths only", advice)


@pytest.mark.parametrize("path", ["a\0b", "a\udcff", "\ud800"])
def test_what_the_system_cannot_call_a_file_is_refused(path):
    refused(path, "must be text")


def test_letters_that_a_locale_lacks_are_refused_with_the_locale_to_set(monkeypatch):
    monkeypatch.setattr(os, "fsencode", lambda path: path.encode("ascii"))
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    refused("é", "must be text", "ascii", "LC_ALL=C.UTF-8")
    assert paths.local("--workdir", "e") == "e"


def test_only_a_file_is_replaced_by_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("file", "new", "new/new"):
        paths.check_file("--workdir", str(tmp_path / name))
    refused(str(tmp_path), "which is a folder", check=paths.check_file)
    for device in (str(tmp_path / "pipe"), str(tmp_path / "link"), os.devnull):
        refused(device, "which is a pipe, a socket or a device", check=paths.check_file)
