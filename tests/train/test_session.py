"""Data that is read once for many sessions."""

import numpy as np

from lamv import config as configs
from lamv.train import session


def data(path):
    config = configs.defaults()
    config.data.name, config.data.path = "npz", str(path)
    return config.data


def test_within_reading_once_the_same_data_is_read_once_and_other_data_too(tmp_path):
    for number in (10, 12):
        np.savez(tmp_path / f"{number}.npz", inputs=np.ones((number, 2), np.float32), labels=np.arange(number) % 2)
    with session.reading_once():
        first, other = session.read(data(tmp_path / "10.npz")), session.read(data(tmp_path / "12.npz"))
        assert session.read(data(tmp_path / "10.npz")) is first and other is not first
        (tmp_path / "10.npz").unlink()
        assert session.read(data(tmp_path / "10.npz")) is first
    np.savez(tmp_path / "10.npz", inputs=np.zeros((10, 2), np.float32), labels=np.arange(10) % 2)
    assert session.read(data(tmp_path / "10.npz")) is not first
