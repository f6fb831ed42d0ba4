"""Training too long with Mixup hurts: the test curve falls, turns and rises (Liu et al. 2023).

After "Over-training with Mixup May Hurt Generalization" (ICLR 2023). A mixed target is right for a mixed input only where
the truth is linear in between; elsewhere it carries noise, a function of the data, that a network fits in the end.

Least squares. On mixed data (phi, q) gradient flow from 0 gives theta_t = (I - exp(-G t)) theta_mix, with G = E phi phi^T
and theta_mix the minimiser. In the modes of G (eigenvalue m_k), its distance from the truth theta* is

    sum over k of (e_k b_k + (1 - e_k) r_k)^2,   e_k = exp(-m_k t),   b = -theta*,   r = theta_mix - theta*

what is yet to be learnt and what is learnt wrongly. Were r independent of b, its mean would be the sum of
e_k^2 b_k^2 + (1 - e_k)^2 r_k^2 (lamv.core.closed_forms.least_squares_risk), which always turns: one mode with b^2 = 1 and
r^2 = s turns at e = s / (1 + s). Here r is a linear function of theta*, so both predictions are shown.

The student is linear in `features` random features tanh(w x + a), x ~ N(0, I), made orthonormal under the law of x: then
the squared distance is the test risk. The teacher is of the same form, so that the targets of ERM are exact: its r is 0
where there are data (and -b, never approached, where there are none), and its risk cannot rise. All that makes Mixup's
curve turn is the curvature of tanh. Less data than features leave modes with small eigenvalues, in which the noise weighs
most: the sizes are a quarter, half and all of the number of features.

Random features. The student is linear in as many features relu(w x + a), not made orthonormal, as in the paper's second
model. Gradient flow has the same solution, and the test risk is measured. With a teacher of the student's own features
the targets of ERM are exact again. A network of as many tanh units is a teacher that the student cannot be: what it
cannot fit is noise to ERM as well, so that the rise of Mixup is to be compared with ERM's there.

Digits. A network 64 - width - 10 with ReLU on a few of scikit-learn's digits, Adam, mini-batches drawn with replacement,
lam ~ U[0, 1]. The turning point of a run is where its error on one half of the other digits (moving average) is least;
what is reported is measured on the second half, so that picking a minimum does not feign a rise. Then each run starts
again with Mixup up to its turning point and ERM from there on.

Label noise, exactly: three points 0, 1, 2 with labels 0, 1, 0 and lam = 1/2. Of the mixed points that fall on 1, a third
is point 1 with itself and two thirds are midpoints of 0 and 2, with the label 0 although the label there is 1.
"""

import jax
import numpy as np

from lamv.core.closed_forms import least_squares_turning_point, mixup_optimal
from lamv.core.laws import fixed
from lamv.core.mixing import midpoint
from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, at_least, between, whole_numbers
from lamv.theory.outcome import Outcome, check
from lamv.theory.overtraining import digits, least_squares, random_features
from lamv.theory.overtraining.digits import WINDOW
from lamv.theory.overtraining.least_squares import PATH

whole_path = Allowed(lambda value: value > 0 and value % PATH == 0, f"a multiple of {PATH} above 0")

KNOBS = (
    Knob("features", 64, at_least(2), "least squares, random features: their number"),
    Knob("inputs", 10, at_least(1), "least squares, random features: dimension of x"),
    Knob("points", (16, 32, 64), whole_numbers(2), "least squares, random features: training points, from few to many"),
    Knob("mixed", 500, at_least(2), "least squares, random features: mixed points, drawn once"),
    Knob("rate", 0.1, above(0), "least squares: learning rate of gradient descent"),
    Knob("relu_rate", 2.0, above(0), "random features: learning rate of gradient descent"),
    Knob("descent", 4000, whole_path, "least squares, random features: full-batch steps"),
    Knob("sizes", (40, 80, 160), whole_numbers(10), "digits: training examples, from few to many"),
    Knob("width", 64, at_least(1), "digits: of the hidden layer"),
    Knob("batch_size", 32, at_least(2), "digits: examples of a step"),
    Knob("learning_rate", 1e-3, above(0), "digits: of Adam"),
    Knob("steps", 5000, at_least(10), "digits: steps of training"),
    Knob("records", 100, between(WINDOW, 199), "digits: measurements along the way; a divisor of steps"),
)


def run(config) -> Outcome:
    """What is known exactly, then least squares, random features and digits."""
    if config.steps % config.records:
        raise ConfigError(f"config.records is {config.records}, must divide the {config.steps} steps")
    if max(config.sizes) > 1500:
        raise ConfigError(f"config.sizes is {config.sizes}, must leave some of 1797 digits to test: at most 1500 each")
    outcome = Outcome([], oracles(), [], REMARKS)
    least_squares.run(config, outcome)
    random_features.run(config, outcome)
    digits.run(config, outcome)
    return outcome


REMARKS = (
    "In least squares each rise is relative to the minimum of the same curve, and is 0 at least; a check asks for 5 % with"
    " the fewest points. The risk of ERM with fewer points than features stops where the data end.",
    "Taking noise and teacher for independent gives the end of the curve, but too low a minimum. What is left out is the sum"
    " of 2 e_k (1 - e_k) b_k r_k, and it is positive: Mixup's minimiser is, in part, a shrunken teacher.",
    "Where the student cannot be the teacher, ERM's curve turns up as well. A rise under Mixup is a sign of noise in its"
    " targets only where the rise under ERM is less.",
    "On digits the cross-entropy against one-hot test labels would rise under ERM too, from growing confidence; the error"
    " does not, and is what is compared.",
)


def oracles():
    """What is known exactly: the toy's turning point, and the label noise of the midpoint on the alternating line."""
    turn = least_squares_turning_point(1.0, 0.25)
    votes = mixup_optimal(np.arange(3.0), np.array([0, 1, 0]), 2, fixed(0.5), np.array([1.0]))
    places, labels = np.tile(np.arange(3.0, dtype=np.float32), 10_000), np.tile([0, 1, 0], 10_000)
    x, targets = jax.jit(midpoint)(jax.random.key(0), places, np.eye(2, dtype=np.float32)[labels])
    drawn = np.asarray(targets)[np.asarray(x) == 1.0, 0].mean()
    return [
        check("toy with one mode, s = 1/4: turning point", turn["time"], np.log(5), "closed form", tolerance=1e-6),
        check("toy with one mode, s = 1/4: risk there", turn["risk"], 0.2, "closed form", tolerance=1e-9),
        check("wrong labels at 1 under the midpoint of 0, 1, 0", votes[0, 0], 2 / 3, "exact enumeration",
              tolerance=1e-12),
        check("the same among 30,000 draws", drawn, 2 / 3, "exact enumeration", tolerance=0.02),
    ]  # fmt: skip
