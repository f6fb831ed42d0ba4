"""ERM, label smoothing and Mixup on your own data: arrays, a table, photographs or texts. docs/data.md shows how.

    python -m experiments.train --config=configs/own_data.py:npz --workdir=runs/mine --config.data.path=FILE.npz
    python -m experiments.train --config=configs/own_data.py:table --workdir=runs/mine --config.data.path=FILE.csv
    python -m experiments.train --config=configs/own_data.py:image_folder --workdir=runs/mine --config.data.path=FOLDER
    python -m experiments.train --config=configs/own_data.py:text --workdir=runs/mine --config.data.path=FILE.csv

With :regression, labels are numbers to be predicted, and C-Mixup takes the place of label smoothing. The same as
--config=configs/own_data.py is :npz.

A small network, 5 seeds, and nothing planted. Under half a minute for some thousand examples of some tens of numbers on two
CPU cores; minutes for photographs.
"""

from lamv import config as configs

CLASSES = {
    "ERM": {"method.name": "erm"},
    "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1},
    "Mixup": {"method.name": "mixup", "method.alpha": 1.0},
}
NUMBERS = {
    "ERM": {"method.name": "erm"},
    "Mixup": {"method.name": "mixup", "method.alpha": 1.0},
    "C-Mixup": {"method.name": "c_mixup", "method.bandwidth": 0.5},  # in the units of the labels
}


def get_config(data: str = "npz"):
    config = configs.defaults()
    config.title = "Own data"
    config.about = (
        "Do label smoothing and Mixup help on this data, and what do they do to the variance of the features?"
    )
    config.rows = CLASSES
    config.seeds = 5
    config.epochs = 30.0
    config.batch_size = 32
    config.data.name = data if data != "regression" else "npz"
    config.model.name = {"image_folder": "cnn", "text": "embedding_bag"}.get(data, "mlp")
    if data == "npz":
        config.data.flatten = True  # images as vectors, which an MLP wants; vectors are as they are
    if data == "regression":
        config.rows = NUMBERS
        config.loss.name = "squared_error"
    config.optim.name = "adam"
    config.optim.lr = 1e-3
    return config
