"""lamv: how label augmentation (label smoothing, the Mixup family) shapes what a neural network learns."""

__version__ = "0.1.0"
