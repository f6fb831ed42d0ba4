"""The whole family on the digits with a tag: which member reads the tag, and which part of Mixup is to blame?

    python -m experiments.train --config=configs/digits_family.py --workdir=runs/family

Every method of lamv, two-phase rows, other losses and noisy labels; else as configs/digits_tag.py. The table that comes
out is at the end of docs/methods.md. About three minutes on two CPU cores; all claims hold.
"""

from configs.digits_tag import get_config as demo


def get_config():
    config = demo()
    config.title = "The family on digits with a tag"
    config.about = (
        "Every training digit carries a tag that says its class. Which methods learn to read the tag instead of the digit,"
        " and is it the mixed inputs or the mixed labels?"
    )
    config.rows = {
        **{name: {"method.name": name} for name in ("erm", "over_smoothing", "noise_correction", "matched_smoothing")},
        **{name: {"method.name": name, "method.smoothing": 0.1}
           for name in ("label_smoothing", "unigram_smoothing", "disturb_label", "instance_smoothing")},
        **{name: {"method.name": name}
           for name in ("mixup", "midpoint", "kway_mixup", "input_mixup", "target_mixup", "same_class_mixup", "c_mixup",
                        "cutmix", "resizemix", "fmix")},
        "online_smoothing": {"method.name": "online_smoothing", "method.smoothing": 0.5},
        "instance_mixup": {"method.name": "instance_mixup", "method.smoothing": 0.1},
        "decoupled_mixup": {"method.name": "decoupled_mixup", "method.law": "fixed(0.5)", "method.target_law": "fixed(0.8)"},
        "manifold_mixup": {"method.name": "manifold_mixup", "method.layers": ("input", "head"), "method.lam_per": "batch"},
        "regmixup": {"method.name": "regmixup", "method.alpha": 10.0, "method.lam_per": "batch"},
        "erm, then rc_mixup": {"method.name": "erm", "method.then": "rc_mixup", "method.switch": 200,
                               "method.noise_rate": 0.1},
        "smoothed, then mixup": {"method.name": "mixup", "method.smoothing": 0.1},
        "mixup, then erm": {"method.name": "mixup", "method.then": "erm", "method.switch": 300},
        "erm, then mixup": {"method.name": "erm", "method.then": "mixup", "method.switch": 300},
        "erm, then LOS head": {"method.name": "erm", "method.then": "over_smoothing", "method.switch": 450,
                               "optim.after_switch": "head"},
        "sigmoid": {"loss.name": "sigmoid"},
        "squared error": {"loss.name": "squared_error"},
        "confidence penalty": {"loss.confidence_penalty": 0.1},
        "hinged penalty": {"loss.confidence_penalty": 0.5, "loss.entropy_threshold": 0.5, "loss.anneal": 200},
        "erm, noise": {"data.label_noise": 0.2},
        "correction, noise": {"method.name": "noise_correction", "data.label_noise": 0.2},
        "smoothing, noise": {"method.name": "label_smoothing", "method.smoothing": 0.2, "data.label_noise": 0.2},
    }  # fmt: skip
    # Where the targets have entropy the tag is read; where only the inputs are mixed, the digit.
    random = "test_random/accuracy"
    config.claims = (
        *((row, random, ">=", 0.7) for row in ("erm", "same_class_mixup", "cutmix", "fmix")),
        ("input_mixup", random, ">=", 0.6),
        *(
            (row, random, "<=", 0.5)
            for row in ("label_smoothing", "matched_smoothing", "target_mixup", "mixup", "midpoint")
        ),
    )
    return config
