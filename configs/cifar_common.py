"""What the CIFAR recipes have in common: data, augmentation, optimiser. Not a recipe itself."""

from lamv import config as configs


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


def method_recipe(data: str, model: str, method: str):
    """`recipe` with one label augmentation, at its usual strength."""
    config = recipe(data, model, title=f"{data.upper().replace('CIFAR', 'CIFAR-')}, {model}, {method}")
    config.method.name = method
    if method == "label_smoothing":
        config.method.smoothing = 0.1
    if method == "mixup":
        config.method.alpha = 1.0
    return config
