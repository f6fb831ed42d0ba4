"""What the CIFAR recipes have in common: data, augmentation, optimiser. Not a recipe itself."""

from lamv import config as configs

#: Test errors on CIFAR-10, median of the last 10 of 200 epochs: {weight decay: {method: %}}.
PUBLISHED = {1e-4: {"erm": 5.53, "mixup": 4.24}, 5e-4: {"erm": 5.18, "mixup": 4.68}}
SOURCE = "Zhang et al., github.com/hongyi-zhang/mixup: median of the last 10 of 200 epochs"


def recipe(data: str, model: str, title: str):
    """SGD with momentum 0.9, batch 128, lr 0.1 with cosine decay, crop after padding by 4, mirroring."""
    config = configs.defaults()
    config.title = title
    config.epochs = 200.0
    config.batch_size = 128
    config.log_every = 100
    config.eval_every = 2000
    config.checkpoint_every = 2000
    config.data.name = data
    config.data.augment.crop = 4
    config.data.augment.flip = True
    config.model.name = model
    config.optim.name = "sgd"
    config.optim.lr = 0.1
    config.optim.momentum = 0.9
    config.optim.weight_decay = 1e-4
    config.optim.schedule = "cosine"
    config.optim.warmup = 0
    return config


def published(row: str, method: str, weight_decay: float) -> tuple[str, str, float, str]:
    """The published accuracy of that method, for a row."""
    return (row, "test/accuracy", round(1 - PUBLISHED[weight_decay][method] / 100, 4), SOURCE)


def method_recipe(data: str, model: str, method: str):
    """`recipe` with one label augmentation, at its usual strength."""
    config = recipe(data, model, title=f"{data.upper().replace('CIFAR', 'CIFAR-')}, {model}, {method}")
    config.method.name = method
    if data == "cifar10" and method in PUBLISHED[1e-4]:
        config.published = (published(method, method, 1e-4),)
    if method == "label_smoothing":
        config.method.smoothing = 0.1
    if method == "mixup":
        config.method.alpha = 1.0
    return config
