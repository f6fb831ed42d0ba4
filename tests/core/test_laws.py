"""Laws of lam: draws, nodes, densities and mean entropies agree with each other, with scipy and with closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats
from scipy.integrate import quad
from scipy.special import entr

from lamv.core import laws

LAWS = {
    "beta(1)": laws.beta(1.0),
    "beta(0.2)": laws.beta(0.2),
    "beta(2, 5)": laws.beta(2.0, 5.0),
    "beta(128)": laws.beta(128.0),
    "uniform": laws.uniform(),
    "uniform(0.2, 0.6)": laws.uniform(0.2, 0.6),
    "fixed(0.3)": laws.fixed(0.3),
    "discrete": laws.discrete((0.1, 0.5, 0.8), (1, 0, 3)),
}
DISCRETE = {"fixed(0.3)", "discrete"}
KEY = jax.random.key(0)
draw = jax.jit(lambda law, key: law.draw(key, (20_000,)))
draw_beta = jax.jit(lambda a: laws.beta(a).draw(KEY, (8,)))


@pytest.fixture(params=LAWS, ids=str)
def law(request):
    return LAWS[request.param]


def expectation(law, function):
    """E function(lam), by scipy."""
    a, b = law.parameters[0], law.parameters[-1]
    if law.kind == "beta" and min(a, b) >= 1:
        return quad(lambda v: function(v) * stats.beta.pdf(v, a, b), 0, 1, points=[0.5], limit=200)[0]
    if law.kind == "beta":
        # In t = lam^a and (1 - lam)^b the density has no pole at the ends.
        below = quad(lambda t: function(t ** (1 / a)) * (1 - t ** (1 / a)) ** (b - 1) / a, 0, 0.5**a)[0]
        above = quad(lambda t: function(1 - t ** (1 / b)) * (1 - t ** (1 / b)) ** (a - 1) / b, 0, 0.5**b)[0]
        return (below + above) / special.beta(a, b)
    if law.kind == "uniform":
        lo, hi = law.parameters
        return quad(function, lo, hi)[0] / (hi - lo)
    if law.kind == "fixed":
        return function(law.parameters[0])
    values, weights = law.parameters
    return sum(w * function(v) for v, w in zip(values, weights, strict=True)) / sum(weights)


def binary_entropy(lam):
    return float(entr(lam) + entr(1 - lam))


def test_nodes_integrate_as_scipy_does(law):
    values, weights = law.nodes()
    assert values.dtype == weights.dtype == np.float64
    assert np.all((values >= 0) & (values <= 1)) and np.all(weights >= 0)
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-14)
    for function in (lambda v: v, lambda v: v**7, np.exp, lambda v: 1 / (1 + np.exp(-8 * v + 3))):
        np.testing.assert_allclose(weights @ function(values), expectation(law, function), rtol=1e-7)


def test_draws_have_the_moments_of_the_nodes(law):
    lam = np.asarray(draw(law, KEY))
    assert lam.dtype == np.float32 and lam.shape == (20_000,) and lam.min() >= 0 and lam.max() <= 1
    values, weights = law.nodes()
    for power in (1, 2, 3):
        mean = weights @ values**power
        sd = np.sqrt(max(weights @ values ** (2 * power) - mean**2, 0))
        assert abs(np.mean(lam.astype(np.float64) ** power) - mean) <= 5 * sd / np.sqrt(len(lam)) + 1e-7, power


@pytest.mark.parametrize("name", [name for name in LAWS if name not in DISCRETE])
def test_draws_follow_the_distribution(name):
    law, lam = LAWS[name], np.asarray(draw(LAWS[name], KEY), np.float64)
    a, b = law.parameters[0], law.parameters[-1]
    expected = stats.beta(a, b) if law.kind == "beta" else stats.uniform(a, b - a)
    for edge in (0.25, 0.4, 0.5, 0.55):
        below = expected.cdf(edge)
        error = np.sqrt(below * (1 - below) / len(lam))
        assert abs(np.mean(lam < edge) - below) <= 5 * error + 1e-6, f"P(lam < {edge})"


def entropy_of_beta(a):
    return laws.beta(a).mean_entropy()


@pytest.mark.parametrize("a, expected", [(0.2, 0.227655), (0.5, 2 * np.log(2) - 1), (1, 0.5), (2, 7 / 12)])
def test_mean_entropy_by_hand(run, a, expected):
    np.testing.assert_allclose(run(entropy_of_beta)(a), expected, rtol=4e-6)


def test_mean_entropy_tends_to_that_of_the_midpoint():
    np.testing.assert_allclose(laws.beta(1e4).mean_entropy(), np.log(2), atol=3e-5)
    np.testing.assert_allclose(laws.fixed(0.5).mean_entropy(), np.log(2), rtol=1e-6)


def test_mean_entropy_is_the_integral(run, law):
    found = run(laws.Law.mean_entropy)(law)
    np.testing.assert_allclose(found, expectation(law, binary_entropy), rtol=2e-6)


def test_is_discrete(law):
    assert law.is_discrete == (law.kind in ("fixed", "discrete"))


@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0])
def test_fixed_is_discrete_with_one_value(value):
    one, other = laws.fixed(value), laws.discrete((value,))
    for mine, theirs in zip(one.nodes(), other.nodes(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(one.draw(KEY, (5,)), other.draw(KEY, (5,)))
    np.testing.assert_array_equal(one.mean_entropy(), other.mean_entropy())


def test_a_value_of_no_weight_is_never_drawn():
    lam = np.asarray(draw(laws.discrete((0.2, 0.4, 0.6), (0.1, 0.7, 0.0)), KEY))
    assert set(lam.tolist()) == {np.float32(0.2).item(), np.float32(0.4).item()}
    np.testing.assert_allclose(np.mean(lam == np.float32(0.4)), 0.875, atol=5 * np.sqrt(0.875 * 0.125 / 20_000))


def test_one_program_serves_many_laws():
    """The parameters are traced: laws of one kind share a program, and a vector of parameters is a batch of laws."""
    compiled = []

    @jax.jit
    def entropy(law):
        compiled.append(law.kind)
        return law.mean_entropy()

    alphas = jnp.array([0.5, 1.0, 8.0])
    one_by_one = [entropy(laws.beta(float(a))) for a in alphas]
    assert compiled == ["beta"], "the parameters of a law must not be compiled into the program"
    np.testing.assert_allclose(jax.vmap(entropy)(laws.Law("beta", (alphas,))), one_by_one, rtol=1e-6)
    lam = jax.jit(jax.vmap(lambda value: laws.fixed(value).draw(KEY, (2,))))(alphas / 10)
    np.testing.assert_allclose(lam, np.repeat(alphas[:, None] / 10, 2, axis=1), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in LAWS if not name.startswith("beta")])
def test_draws_do_not_depend_on_compiling(name):
    np.testing.assert_allclose(LAWS[name].draw(KEY, (20_000,)), draw(LAWS[name], KEY), rtol=1e-6)
    assert LAWS[name].draw(KEY).shape == ()


def test_parse_reads_what_str_writes(law):
    assert laws.parse(str(law)).nodes()[0].tolist() == law.nodes()[0].tolist()
    assert laws.parse(str(law)).nodes()[1].tolist() == law.nodes()[1].tolist()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("beta(1)", laws.beta(1)),
        ("beta(1, 1)", laws.beta(1)),
        (" beta( .5, 2 ) ", laws.beta(0.5, 2)),
        ("uniform()", laws.uniform()),
        ("fixed(1e-1)", laws.fixed(0.1)),
        ("discrete((0.2, 0.8), (1, 3))", laws.discrete((0.2, 0.8), (1, 3))),
    ],
)
def test_parse(text, expected):
    assert laws.parse(text) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ("gamma(1)", "write one like"),
        ("beta", "write one like"),
        ("beta()", "no law"),
        ("beta(1, 2, 3)", "no law"),
        ("beta((1, 2))", "no law"),
        ("beta(1", "write one like"),
        ("beta('x')", "must be numbers"),
        ("fixed(__import__('os'))", "must be numbers"),
        ("beta(1,,2)", "must be numbers"),
        ("beta(0)", "must be above 0"),
        ("fixed(1.5)", r"must be in \[0, 1\]"),
    ],
)
def test_parse_says_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=message) as error:
        laws.parse(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: laws.beta(-1.0), "beta: a is -1"),
        (lambda: laws.beta(1.0, float("inf")), "beta: b is inf"),
        (lambda: laws.beta(float("nan")), "beta: a is nan"),
        (lambda: laws.uniform(0.5, 0.5), "lo < hi"),
        (lambda: laws.uniform(-0.1, 0.5), "lo < hi"),
        (lambda: laws.fixed(-0.1), r"must be in \[0, 1\]"),
        (lambda: laws.fixed(float("nan")), r"must be in \[0, 1\]"),
        (lambda: laws.discrete(()), "one or more"),
        (lambda: laws.discrete((0.5, 1.5)), r"in \[0, 1\]"),
        (lambda: laws.discrete((0.5,), (1, 2)), "must be 1 numbers"),
        (lambda: laws.discrete((0.5, 0.6), (0, 0)), "not all 0"),
        (lambda: laws.discrete((0.5, 0.6), (-1, 2)), "at least 0"),
    ],
)
def test_parameters_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Gauss rules of any Beta law


def moment(a, b, power):
    """E lam^power, exactly."""
    i = np.arange(power)
    return np.prod((a + i) / (a + b + i))


@pytest.mark.parametrize("number", [1, 2, 8, 64])
@pytest.mark.parametrize("a", [1e-3, 0.2, 1.0, 2.0, 128.0, 2e3, 1e6])
@pytest.mark.parametrize("b", [1e-3, 0.5, 1.0, 5.0, 2e3, 1e6])
def test_nodes_have_the_moments_of_the_law(a, b, number):
    values, weights = laws.beta(a, b).nodes(number)
    assert np.all((values >= 0) & (values <= 1)) and np.all(weights >= 0)
    for power in range(min(2 * number, 12)):
        np.testing.assert_allclose(weights @ values**power, moment(a, b, power), rtol=1e-11)


@pytest.mark.parametrize("a, b", [(1, 1), (0.2, 0.2), (2, 5), (128, 128), (1, 2)])
@pytest.mark.parametrize("number", [1, 2, 8, 64])
def test_nodes_of_ordinary_laws_are_those_of_scipy(a, b, number):
    points, weights = special.roots_jacobi(number, b - 1, a - 1)
    found = laws.beta(a, b).nodes(number)
    np.testing.assert_allclose(found[0], (points + 1) / 2, atol=1e-14)
    np.testing.assert_allclose(found[1], weights / weights.sum(), atol=1e-11)


def test_two_nodes_by_hand():
    """Of the uniform law: 1/2 -+ 1/sqrt(12), with equal weights."""
    values, weights = laws.uniform(0.2, 0.6).nodes(2)
    np.testing.assert_allclose(values, 0.4 + 0.4 * np.array([-1, 1]) / np.sqrt(12), rtol=1e-14)
    np.testing.assert_allclose(weights, 0.5, rtol=1e-14)


def test_a_rule_has_a_node():
    with pytest.raises(ValueError, match="number is 0, must be 1 or more"):
        laws.beta(1.0).nodes(0)


@pytest.mark.parametrize("a", [0.0, -1.0, float("nan"), float("inf")])
def test_draws_of_no_law_are_no_numbers(a):
    assert np.all(np.isnan(draw_beta(a)))


@pytest.mark.parametrize("a", [0.01, 0.5, 3.0, 1e4])
def test_symmetric_draws_follow_the_distribution_of_scipy(a):
    """By Kolmogorov and Smirnov, as far as the resolution of float32 lets the tails be told apart."""
    lam = np.asarray(jax.jit(lambda a: laws.beta(a).draw(KEY, (100_000,)))(a), np.float64)
    inside = np.sort(np.minimum(lam, 1 - lam))
    points = np.linspace(0.001, 0.5, 500) if a < 100 else 0.5 - np.linspace(0.0, 0.02, 500)[::-1]
    below = np.searchsorted(inside, points, side="right") / len(lam)
    assert np.max(np.abs(below - 2 * stats.beta(a, a).cdf(points))) < 1.95 / np.sqrt(len(lam))  # p = .001
    assert abs(np.mean(lam > 0.5) - 0.5) < 5 * 0.5 / np.sqrt(len(lam))


def test_small_draws_keep_their_digits():
    """P(lam < x) = x^a / (a B(a, a)) for small x, far below what 1 - lam resolves in float32."""
    lam = np.asarray(jax.jit(lambda a: laws.beta(a).draw(KEY, (100_000,)))(0.1), np.float64)
    for edge in (1e-12, 1e-9, 1e-6):
        below = edge**0.1 / (0.1 * special.beta(0.1, 0.1))
        assert abs(np.mean(lam < edge) - below) < 5 * np.sqrt(below * (1 - below) / len(lam)), edge


def test_draws_at_the_ends_of_the_uniform_numbers(monkeypatch):
    """Where u is the least number, or the one next to 1, and where the cosine is all but 0, lam is a number in [0, 1]."""
    ends = jnp.array([jnp.finfo(jnp.float32).tiny, 1 - 2.0**-24]), jnp.array([0.0, 0.25, 0.5, 0.75])
    u, v = (jnp.ravel(grid) for grid in jnp.meshgrid(*ends))
    monkeypatch.setattr(jax.random, "uniform", lambda *_, **__: jnp.stack([u, v]))
    for a in (1e-4, 0.1, 1.0, 1e6):
        lam = np.asarray(laws.beta(a).draw(KEY, u.shape))
        assert np.all((lam >= 0) & (lam <= 1)), (a, lam)
