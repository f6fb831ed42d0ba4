"""Regression with wrong labels: C-Mixup and RC-Mixup next to ERM and Mixup, on scikit-learn's diabetes data.

    python -m experiments.train --config=configs/diabetes.py --workdir=runs/diabetes

Three in ten training labels are those of other patients. RC-Mixup begins as C-Mixup, and from the middle on leaves out the
share of each batch that the network fits worst.

Half a minute on two CPU cores. Test RMSE in standard deviations of the target, n = 10 seeds: ERM .809 ± .047, Mixup
.790 ± .044, C-Mixup .788 ± .037, RC-Mixup .786 ± .032: mixing helps a little; choosing partners or examples does not
tell itself apart from plain Mixup here.
"""

from lamv import config as configs


def get_config():
    config = configs.defaults()
    config.title = "Diabetes: Mixup for regression, with wrong labels"
    config.about = (
        "Progression of diabetes from ten measurements; three in ten training labels are those of other patients. Does it"
        " help to mix with like targets only, and to leave out what fits badly?"
    )
    config.data.name, config.data.label_noise = "diabetes", 0.3
    config.loss.name = "squared_error"
    config.model.name = "mlp"
    config.optim.name, config.optim.lr = "adam", 0.005
    config.steps, config.seeds, config.batch_size = 400, 10, 64
    near = {"method.name": "c_mixup", "method.bandwidth": 0.5}
    config.rows = {
        "ERM": {"method.name": "erm"},
        "Mixup": {"method.name": "mixup"},
        "C-Mixup": near,
        "RC-Mixup": near | {"method.then": "rc_mixup", "method.switch": 200, "method.noise_rate": 0.3},
    }
    return config
