"""Laws of the mixing weight lam on [0, 1]: what Mixup draws, and what its theory integrates over.

    beta(a, b)   uniform(lo, hi)   fixed(value)   discrete(values, weights)

A law is a pytree: its parameters may be traced, so that one compiled program serves many of them. `draw` samples it
inside of a program, as NaN where traced parameters of a Beta law are not above 0; `nodes` gives it as a sum of point
masses on the host, exactly or as a Gauss rule.
"""

import ast
import dataclasses
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, xlogy

from lamv.core.checks import known


@partial(jax.tree_util.register_dataclass, data_fields=("parameters",), meta_fields=("kind",))
@dataclasses.dataclass(frozen=True)
class Law:
    """One of the laws above. `parameters`: those of the function of that name; one of beta's where both are the same."""

    kind: str
    parameters: tuple

    def draw(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Independent draws of lam, float32."""
        if self.kind == "beta":
            if len(self.parameters) == 1:
                return _symmetric_beta(key, self.parameters[0], shape)
            a, b = self.parameters
            return jax.random.beta(key, a, b, shape or None)
        if self.kind == "uniform":
            lo, hi = self.parameters
            return jax.random.uniform(key, shape, minval=lo, maxval=hi)
        if self.kind == "fixed":
            return jnp.broadcast_to(jnp.asarray(self.parameters[0], jnp.float32), shape)
        values, weights = (jnp.asarray(p, jnp.float32) for p in self.parameters)
        upto = jnp.cumsum(weights)
        # Over the last sum, not over 1: rounding must not hand the last value, of weight 0 perhaps, to a draw near 1.
        place = jnp.searchsorted(upto / upto[-1], jax.random.uniform(key, shape), side="right")
        return values[jnp.minimum(place, len(values) - 1)]

    @property
    def is_discrete(self) -> bool:
        """Whether lam takes finitely many values, so that `nodes` is the law itself."""
        return self.kind in ("fixed", "discrete")

    def as_beta(self) -> tuple:
        """(a, b, lo, hi) of a continuous law, as its parameters are: lam is lo + (hi - lo) B with B ~ Beta(a, b)."""
        first, second = self.parameters[0], self.parameters[-1]
        return (first, second, 0.0, 1.0) if self.kind == "beta" else (1.0, 1.0, first, second)

    def nodes(self, number: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """(values, weights), float64, weights summing to 1: E f(lam) = sum of weights f(values).

        Exact for a discrete law; else a Gauss rule of `number` points, exact for polynomials below degree 2 number. Raises
        ValueError for a number below 1.
        """
        if number < 1:
            raise ValueError(f"number is {number}, must be 1 or more nodes")
        if self.kind == "fixed":
            return np.array([self.parameters[0]], np.float64), np.ones(1)
        if self.kind == "discrete":
            values, weights = (np.asarray(p, np.float64) for p in self.parameters)
            return values, weights / weights.sum()
        a, b, lo, hi = map(float, self.as_beta())
        points, weights = _gauss_jacobi(a, b, number)
        return lo + (hi - lo) * points, weights

    def mean_entropy(self) -> jax.Array:
        """E h(lam), the mean entropy in nats of a target mixed from two different labels; h is the binary entropy."""
        if self.kind == "beta":
            # E[-lam log lam] = a / (a + b) (psi(a + b + 1) - psi(a + 1)), and the same for 1 - lam.
            a, b, *_ = (jnp.asarray(p, jnp.float32) for p in self.as_beta())
            return digamma(a + b + 1) - (a * digamma(a + 1) + b * digamma(b + 1)) / (a + b)
        if self.kind == "uniform":
            lo, hi = self.parameters
            at, weights = uniform(0.0, 1.0).nodes()
            lam = lo + (hi - lo) * jnp.asarray(at, jnp.float32)
        else:
            lam = jnp.atleast_1d(jnp.asarray(self.parameters[0], jnp.float32))
            weights = np.ones(1) if self.kind == "fixed" else jnp.asarray(self.parameters[1], jnp.float32)
        weights = jnp.asarray(weights, jnp.float32)
        return jnp.sum(weights * -(xlogy(lam, lam) + xlogy(1 - lam, 1 - lam))) / jnp.sum(weights)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(_shown, self.parameters))})"


def beta(a, b=None) -> Law:
    """lam ~ Beta(a, b); b defaults to a. Raises ValueError unless both are above 0 (where known)."""
    parameters = (a,) if b is None else (a, b)
    for name, value in zip("ab", parameters, strict=False):
        if known(value) and not 0 < float(value) < float("inf"):
            raise ValueError(f"beta: {name} is {float(value):g}, must be above 0 and finite")
    symmetric = b is None or (known(a) and known(b) and float(a) == float(b))
    return Law("beta", (a,) if symmetric else (a, b))


def uniform(lo=0.0, hi=1.0) -> Law:
    """lam uniform on [lo, hi]. Raises ValueError unless 0 <= lo < hi <= 1 (where known)."""
    if known(lo) and known(hi) and not 0 <= float(lo) < float(hi) <= 1:
        raise ValueError(f"uniform: lo and hi are {float(lo):g} and {float(hi):g}, must be 0 <= lo < hi <= 1")
    return Law("uniform", (lo, hi))


def fixed(value) -> Law:
    """lam is `value`, always. Raises ValueError unless it is in [0, 1] (where known)."""
    if known(value) and not 0 <= float(value) <= 1:
        raise ValueError(f"fixed: the value is {float(value):g}, must be in [0, 1]")
    return Law("fixed", (value,))


def discrete(values, weights=None) -> Law:
    """lam takes these values with probabilities proportional to `weights` (all alike by default).

    Raises ValueError for values outside of [0, 1], weights that are negative or all 0, or unequal numbers of both.
    """
    values = tuple(float(v) for v in np.ravel(values))
    weights = (1.0,) * len(values) if weights is None else tuple(float(w) for w in np.ravel(weights))
    if not values or not all(0 <= v <= 1 for v in values):
        raise ValueError(f"discrete: the values are {values}, must be one or more numbers in [0, 1]")
    if len(weights) != len(values) or not all(0 <= w < float("inf") for w in weights) or not sum(weights) > 0:
        raise ValueError(f"discrete: the weights are {weights}, must be {len(values)} numbers of at least 0, not all 0")
    return Law("discrete", (values, weights))


def parse(text: str) -> Law:
    """The law that `text` writes, as in "beta(1, 2)" or "discrete((0.2, 0.8), (1, 3))". Raises ValueError."""
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text)
    if match is None or match[1] not in LAWS:
        raise ValueError(f"{text!r} is no law of lam; write one like beta(1, 1), uniform(0, 1), fixed(0.5) or"
                         " discrete((0.2, 0.8), (0.5, 0.5))")  # fmt: skip
    try:
        if not re.fullmatch(r"[-+.,()\s\deE]*", match[2]):
            raise ValueError
        arguments = ast.literal_eval(f"({match[2]},)" if match[2].strip() else "()")
    except (SyntaxError, ValueError):
        raise ValueError(f"{text!r}: the arguments of {match[1]} must be numbers, or tuples of numbers") from None
    try:
        return LAWS[match[1]](*arguments)
    except TypeError as error:
        raise ValueError(f"{text!r} is no law of lam: {error}") from None


LAWS = {"beta": beta, "uniform": uniform, "fixed": fixed, "discrete": discrete}


def _symmetric_beta(key: jax.Array, a, shape: tuple[int, ...]) -> jax.Array:
    """Draws of Beta(a, a) from two uniform numbers each; jax.random.beta, which rejects, takes many times as long.

    T = C sqrt(2a W), with C = cos(2 pi V) and W = U^(-1/a) - 1, has Student's t-distribution with 2a degrees of freedom
    (Bailey 1994, Math. Comp. 62, 779), and so 1/2 + T / (2 sqrt(2a + T^2)) has the law Beta(a, a).
    """
    least = jnp.finfo(jnp.float32).tiny  # not 0, whose logarithm is infinite
    u, v = jax.random.uniform(key, (2, *shape), minval=least)
    power, cosine = jnp.log(u) / a, jnp.cos(2 * jnp.pi * v)
    inverse = jnp.exp(power) / -jnp.expm1(power)  # 1 / W
    total = inverse + cosine**2
    larger = (1 + jnp.abs(cosine) / jnp.sqrt(total)) / 2
    smaller = inverse / total / (4 * larger)  # 1 - larger, with its digits also where that is near 0
    return jnp.where((a > 0) & (a < jnp.inf), jnp.where(cosine < 0, smaller, larger), jnp.nan)


def _gauss_jacobi(a: float, b: float, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights, (number,) each, of the Gauss rule of Beta(a, b), for any a, b > 0.

    The eigenvalues of the Jacobi matrix of its orthogonal polynomials, and the squared first components of its
    eigenvectors (Golub & Welsch 1969). Written for [0, 1]: on [-1, 1], where scipy.special.roots_jacobi works, points near
    an end lose their digits, and its weights overflow for a + b of a thousand.
    """
    from scipy.linalg import eigh_tridiagonal  # a fifth of what a command imports, and few laws need it

    s, n = a + b, np.arange(1, number, dtype=np.float64)
    centre = np.append(a / s, (2 * n * (n + s - 1) + a * (s - 2)) / ((2 * n + s - 2) * (2 * n + s)))
    # The factor n + s - 2 over 2 n + s - 3 is 1 for n = 1, also where s = 1 makes it 0 / 0.
    ratio = np.where(n == 1, 1.0, (n + s - 2) / np.where(n == 1, 1.0, 2 * n + s - 3))
    spread = n * (n + a - 1) * (n + b - 1) * ratio / ((2 * n + s - 2) ** 2 * (2 * n + s - 1))
    points, vectors = eigh_tridiagonal(centre, np.sqrt(spread))
    weights = np.square(vectors[0])
    return np.clip(points, 0.0, 1.0), weights / weights.sum()


def _shown(parameter) -> str:
    if isinstance(parameter, tuple):
        return f"({', '.join(map(_shown, parameter))})"
    return f"{float(parameter):g}" if known(parameter) else "traced"
