"""Small IDX files of the names that MNIST has."""

import struct

import numpy as np

PARTS = {"train": ("train", 7), "test": ("t10k", 3)}


def encode(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def arrays(prefix: str, count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    return {
        f"{prefix}-images-idx3-ubyte": rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
        f"{prefix}-labels-idx1-ubyte": rng.integers(0, 10, count, dtype=np.uint8),
    }
