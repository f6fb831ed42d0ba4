"""The Mixup family: (key, inputs, targets) -> (inputs, targets).

inputs are (B, ...) numbers, targets (B, K) probabilities; both come back in the same shape. What is mixed is float32 if it
was integers or booleans, pixels in uint8 for instance, and else of the type that it had. The partner of every example is
drawn by one permutation of the batch, used for inputs and targets alike; an example may be its own partner (probability
1 / B), which is what makes the pair law the product law in expectation. Every function raises ValueError for targets that
are not (B, K), such as labels (B,): see lamv.core.targets.one_hot.

    x = lam x_i + (1 - lam) x_j,   q = lam q_i + (1 - lam) q_j        (Zhang et al. 2018, equation 1)

lam follows any law of lamv.core.laws: `law=uniform(0.5, 1)`, say, or for short `alpha=a` for the symmetric Beta(a, a)
that Mixup was proposed with; alpha = 1 is the uniform law, small values stay close to ERM, large ones to the midpoint.
It is drawn for each example or once for the batch (`lam_per`). Where lam = 1 the batch comes back bit for bit.

Targets may also be a tuple (q, ...) of the targets proper and other values of each example, such as its (B, G) shares
in groups. All are mixed alike, by the partner and the weight of q; where targets choose the pairs, it is q that does.

Labels may be smoothed before: that is the order in which lamv composes the two (see lamv.core.methods).

`rows` is only needed where the batch is spread over devices, or where not everyone may be everyone's partner (see
lamv.core.batch); leave it out otherwise. Members that combine regions of images are in lamv.core.regions.
"""

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core.batch import Augmented, Rows, whole
from lamv.core.checks import check_positive, check_range, check_shape, check_targets, floating
from lamv.core.laws import Law, beta, fixed
from lamv.core.laws import discrete as discrete  # the other laws, to be had from here too
from lamv.core.laws import uniform as uniform

LAM_PER = ("example", "batch")


def mixup(
    key, inputs, targets, *, alpha=1.0, law: Law | None = None, lam_per: str = "example", rows: Rows | None = None
):
    """Mixup (Zhang et al. 2018) with lam ~ law, or Beta(alpha, alpha).

    Raises ValueError for alpha <= 0 (where it is known; a traced one gives NaN) or an unknown lam_per.
    """
    rows = rows_of(inputs, targets, rows)
    partner, lam = _draw_pair(key, rows, alpha, law, lam_per)
    return mix(inputs, rows.take(inputs, partner), lam), mix(targets, rows.take(targets, partner), lam)


def unmixed(key, inputs, targets, *, rows: Rows | None = None):
    """The pairs of Mixup, not mixed: both examples of each pair as they are, each with weight 1/2 in the loss.

    So that what a rule for pairs (`Rows.allowed`) does by selection can be told from what mixing does; the control of
    Teney et al. 2024, where the two are concatenated as well. The partners are those that `mixup` draws with this key. The
    batch that comes back is the examples, then their partners: 2 B of them. Its expected loss is that of a Mixup with
    lam in {0, 1}, at equal odds.
    """
    rows = rows_of(inputs, targets, rows)
    partner = draw_partner(jax.random.split(key)[0], rows)

    def both(values):
        return jax.tree.map(lambda own, other: jnp.concatenate([own, other]), values, rows.take(values, partner))

    return Augmented(both(inputs), both(targets), weights=jnp.full(2 * len(inputs), 0.5, jnp.float32))


def midpoint(key, inputs, targets, *, rows: Rows | None = None):
    """Midpoint Mixup (Chidambaram et al. 2023): every example is averaged with its partner, lam = 1/2."""
    return mixup(key, inputs, targets, law=fixed(0.5), rows=rows)


def decoupled_mixup(
    key, inputs, targets, *, alpha=1.0, law=None, target_law: Law | None = None, lam_per="example", rows=None
):
    """Mixup with a weight of its own for the targets: x by lam, q by tau (Zou et al. 2023).

    tau ~ target_law, independent of lam; without target_law tau is lam, and this is Mixup bit for bit. With two fixed
    laws it is the two constants of the paper, which takes both from [1/2, 1].
    """
    rows = rows_of(inputs, targets, rows)
    partner, lam = _draw_pair(key, rows, alpha, law, lam_per)
    tau = lam if target_law is None else draw_lam(jax.random.fold_in(key, 2), rows, target_law, lam_per)
    return mix(inputs, rows.take(inputs, partner), lam), mix(targets, rows.take(targets, partner), tau)


def input_mixup(key, inputs, targets, *, alpha=1.0, law=None, lam_per="example", rows=None):
    """Mixup of the inputs alone: the target is that of whichever of the two weighs more."""
    rows = rows_of(inputs, targets, rows)
    partner, lam = _draw_pair(key, rows, alpha, law, lam_per)
    nearer = (lam >= 0.5).astype(jnp.float32)
    return mix(inputs, rows.take(inputs, partner), lam), mix(targets, rows.take(targets, partner), nearer)


def target_mixup(key, inputs, targets, *, alpha=1.0, law=None, lam_per="example", rows=None):
    """Mixup of the targets alone, the heavier part being the example's own: noise on labels, in the form of Mixup.

    What comes with the targets is mixed as they are, although the input stays that of one example.
    """
    rows = rows_of(inputs, targets, rows)
    partner, lam = _draw_pair(key, rows, alpha, law, lam_per)
    return inputs, mix(targets, rows.take(targets, partner), jnp.maximum(lam, 1 - lam))


def same_class_mixup(key, inputs, targets, *, alpha=1.0, law=None, lam_per="example", rows=None):
    """Mixup in which the partner is of the same class: inputs are mixed, and targets stay as they are.

    The class is that of the largest target. The partners of each class are one permutation of it.
    """
    rows = rows_of(inputs, targets, rows)
    partner_key, lam_key = jax.random.split(key)
    partner = draw_partner_within(partner_key, rows, jnp.argmax(class_targets(targets), axis=-1))
    lam = draw_lam(lam_key, rows, law_of(alpha, law), lam_per)
    return mix(inputs, rows.take(inputs, partner), lam), mix(targets, rows.take(targets, partner), lam)


def kway_mixup(key, inputs, targets, *, alpha=1.0, ways: int = 3, lam_per="example", rows=None):
    """Mixup of `ways` examples with weights ~ Dirichlet(alpha, ..., alpha); 2 ways have the law of Mixup.

    An example is mixed with ways - 1 partners, each from a permutation of its own. Raises ValueError for ways < 2.
    """
    if ways < 2:
        raise ValueError(f"ways is {ways}, must be at least 2 (examples that are mixed)")
    law_of(alpha, None)
    known_rows = rows_of(inputs, targets, rows)
    partner_key, lam_key = jax.random.split(key)

    def draw(key):
        return jax.random.dirichlet(key, jnp.full(ways, alpha, jnp.float32))

    weights = _per(lam_per, draw, lam_key, known_rows)
    partners = [draw_partner(k, known_rows) for k in jax.random.split(partner_key, ways - 1)]

    def mixed(values):
        values = jax.tree.map(floating, values)
        parts = [values, *(known_rows.take(values, partner) for partner in partners)]
        return jax.tree.map(lambda *of: sum(_along(weights[:, w], part) * part for w, part in enumerate(of)), *parts)

    return mixed(inputs), mixed(targets)


def manifold_mixup(
    key, inputs, targets, *, alpha=1.0, law=None, layers: tuple[str, ...] = ("input",), lam_per="example", rows=None
):
    """Manifold Mixup (Verma et al. 2019): what enters one layer, drawn for the batch from `layers`, is mixed.

    layers: names of the model's layers, dotted where they are nested; "input" is the batch itself, and with that alone
    this is Mixup bit for bit. There is one forward pass: the partner's activations are those of the same batch, and
    BatchNorm sees the mixture from the chosen layer on (the reference code runs a second pass for the partner). The
    caller's model has to hand every one of `layers` to `hidden` once: targets are mixed either way.
    """
    if isinstance(layers, str):
        raise TypeError(f"layers is {layers!r}, must be a tuple of names, as in ({layers!r},)")
    if not layers or len(set(layers)) < len(layers):
        raise ValueError(f"layers is {layers}; name one or more layers, or 'input', each once")
    rows = rows_of(inputs, targets, rows)
    partner, lam = _draw_pair(key, rows, alpha, law, lam_per)
    chosen = jax.random.randint(jax.random.fold_in(key, 2), (), 0, len(layers))

    def hidden(name, activations):
        if name not in layers:
            return activations
        here = jnp.where(chosen == layers.index(name), lam, 1.0)
        return mix(activations, rows.take(activations, partner), here)

    return Augmented(hidden("input", inputs), mix(targets, rows.take(targets, partner), lam), hidden=hidden)


def regmixup(key, inputs, targets, *, alpha=1.0, law=None, weight=1.0, lam_per="example", rows=None):
    """RegMixup (Pinto et al. 2022): the loss of the batch as it is, plus `weight` times that of its Mixup.

    The batch that comes back is both together, 2 B examples. The source takes lam once a batch, with a large alpha.
    """
    mixed_inputs, mixed_targets = mixup(key, inputs, targets, alpha=alpha, law=law, lam_per=lam_per, rows=rows)
    ones = jnp.ones(inputs.shape[:1], jnp.float32)
    return Augmented(
        jnp.concatenate([floating(inputs), mixed_inputs]),
        jax.tree.map(lambda own, mixed: jnp.concatenate([floating(own), mixed]), targets, mixed_targets),
        weights=jnp.concatenate([ones, weight * ones]),
    )


def c_mixup(key, inputs, targets, *, alpha=1.0, law=None, bandwidth=1.0, lam_per="example", rows=None):
    """C-Mixup (Yao et al. 2022), for regression: the nearer the targets, the likelier the pair.

    P(j | i) is proportional to exp(-||q_i - q_j||^2 / (2 bandwidth^2)), i itself included, drawn for every example: so
    the partners are no permutation. bandwidth: above 0, in the units of the targets; large values give Mixup's pairs.
    """
    rows = rows_of(inputs, targets, rows)
    partner_key, lam_key = jax.random.split(key)
    partner = draw_partner_near(partner_key, rows, class_targets(targets), bandwidth)
    lam = draw_lam(lam_key, rows, law_of(alpha, law), lam_per)
    return mix(inputs, rows.take(inputs, partner), lam), mix(targets, rows.take(targets, partner), lam)


def rc_mixup(
    key, inputs, targets, *, alpha=1.0, law=None, bandwidth=1.0, noise_rate=0.2, predict, lam_per="example", rows=None
):
    """C-Mixup among the examples that look clean, for targets with noise; after RC-Mixup (Hwang, Kim & Whang 2024).

    The share `noise_rate` of the batch that the model fits worst (by squared error), in whole examples but never all of
    them, is left out, as partner and from the loss. predict: inputs -> (B, K) current outputs of the model; train some
    steps without selection first. The bandwidth adapts to what is kept: it is in units of the spread (root mean square)
    of the kept targets. The source searches it among candidates by validation loss instead.
    """
    check_range("noise_rate", noise_rate, low=0.0, below=1.0)
    rows = rows_of(inputs, targets, rows)
    partner_key, lam_key = jax.random.split(key)
    own = class_targets(targets)
    predicted = predict(inputs)
    check_shape("outputs of predict", predicted, own.shape)
    error = rows.everyone(jnp.sum(jnp.square(predicted - own), axis=-1))
    all_targets = rows.everyone(own)
    number = jnp.maximum(rows.batch_size - jnp.round(noise_rate * rows.batch_size), 1.0)
    # By rank and not by a quantile of the errors: equal ones, or rounding at the quantile, would keep another number.
    kept = (jnp.argsort(jnp.argsort(error)) < number).astype(jnp.float32)
    centre = jnp.sum(kept[:, None] * all_targets, axis=0, keepdims=True) / number
    spread = jnp.sqrt(jnp.sum(kept[:, None] * jnp.square(all_targets - centre)) / number)
    partner = draw_partner_near(partner_key, rows, own, bandwidth * jnp.maximum(spread, 1e-6), among=kept > 0)
    lam = draw_lam(lam_key, rows, law_of(alpha, law), lam_per)
    return Augmented(
        mix(inputs, rows.take(inputs, partner), lam),
        mix(targets, rows.take(targets, partner), lam),
        weights=kept[rows.positions] * rows.batch_size / number,
    )


def mix(first, second, lam: jax.Array | np.ndarray):
    """lam first + (1 - lam) second, row by row: (B, ...) twice and lam (B,) in [0, 1]. lam = 1 gives `first` exactly.

    first, second: arrays, or trees of arrays that are mixed alike; integers and booleans give float32. lam: () or (1,)
    is the same for all rows. Raises ValueError for shapes that do not fit.
    """
    lam = lam if isinstance(lam, np.ndarray) else jnp.asarray(lam)

    def mixed(first, second):
        first, second = floating(first), floating(second)
        fits = all(of in (1, row) for of, row in zip(lam.shape, first.shape, strict=False))
        if first.shape != second.shape or lam.ndim > first.ndim or not fits:
            raise ValueError(f"what is mixed is of shapes {first.shape} and {second.shape}, by lam of shape {lam.shape};"
                             " must be (B, ...) twice, and (B,)")  # fmt: skip
        share = _along(lam, first)
        return share * first + (1 - share) * second

    return jax.tree.map(mixed, first, second)


def draw_partner(key: jax.Array, rows: Rows) -> jax.Array:
    """(B_local,) global positions of the partners: one uniform permutation of the global batch.

    Where `rows.allowed` says who may be whose partner, each row draws uniformly among those instead, apart from the
    others; a row that is allowed nobody is its own partner.
    """
    if rows.allowed is not None:
        return _draw_among(key, rows, rows.allowed)
    return jax.random.permutation(key, rows.batch_size)[rows.positions]


def draw_partner_within(key: jax.Array, rows: Rows, labels: jax.Array) -> jax.Array:
    """Partners of the same label, (B_local,) int: a uniform permutation of each class. labels: (B_local,) int.

    Where `rows.allowed` has a say too, as in `draw_partner`, among those of the same label.
    """
    own, labels = labels, rows.everyone(labels)
    if rows.allowed is not None:
        return _draw_among(key, rows, rows.allowed & (own[:, None] == labels[None]))
    ordered = [jnp.lexsort((jax.random.bits(k, labels.shape), labels)) for k in jax.random.split(key)]
    # Both orders list the classes one after the other, each shuffled by itself: what stands in one place is a pair.
    partner = jnp.zeros_like(ordered[0]).at[ordered[0]].set(ordered[1])
    return partner[rows.positions]


def draw_partner_near(key: jax.Array, rows: Rows, targets, bandwidth, among: jax.Array | None = None) -> jax.Array:
    """Partners drawn by the nearness of targets, (B_local,): see c_mixup. among: (B,) bool, who may be a partner.

    So does `rows.allowed` say; a row to which the two leave nobody is its own partner.
    """
    check_positive("bandwidth", bandwidth)
    targets = floating(targets)
    everyone = rows.everyone(targets)

    def draw(key, target, among):
        # Divided before it is squared: the square of a small bandwidth would be 0.
        log_odds = -0.5 * jnp.sum(jnp.square((everyone - target[None]) / bandwidth), axis=-1)
        return jax.random.categorical(key, log_odds if among is None else jnp.where(among, log_odds, -jnp.inf))

    if rows.allowed is None:
        return jax.vmap(draw, (0, 0, None))(rows.keys(key), targets, among)
    allowed = rows.allowed if among is None else rows.allowed & among[None]
    partner = jax.vmap(draw)(rows.keys(key), targets, allowed)
    return jnp.where(jnp.any(allowed, axis=1), partner, rows.positions)


def draw_lam(key: jax.Array, rows: Rows, law: Law, lam_per: str) -> jax.Array:
    """(B_local,) float32 mixing weights from `law`, one draw an example or one for all."""
    return _per(lam_per, law.draw, key, rows)


def _draw_pair(key, rows: Rows, alpha, law: Law | None, lam_per: str):
    partner_key, lam_key = jax.random.split(key)
    return draw_partner(partner_key, rows), draw_lam(lam_key, rows, law_of(alpha, law), lam_per)


def law_of(alpha, law: Law | None) -> Law:
    """`law`, or the symmetric Beta(alpha, alpha) where there is none. Raises ValueError for alpha <= 0 (where known)."""
    check_positive("alpha", alpha, note="(Beta(alpha, alpha))")
    return beta(alpha) if law is None else law


def _draw_among(key: jax.Array, rows: Rows, allowed: jax.Array) -> jax.Array:
    """For each row a uniform draw among its `allowed`, (B_local, B) bool; itself where there is none."""
    number = jnp.sum(allowed, axis=1)
    nth = jax.vmap(lambda key, number: jax.random.randint(key, (), 0, number))(rows.keys(key), jnp.maximum(number, 1))
    partner = jnp.argmax(jnp.cumsum(allowed, axis=1) > nth[:, None], axis=1)
    return jnp.where(number > 0, partner, rows.positions)


def rows_of(inputs, targets, rows: Rows | None) -> Rows:
    """The rows at hand: `rows`, or the batch is all here. Raises ValueError unless targets are (B, K) for B inputs."""
    check_targets(class_targets(targets), inputs.shape[0])
    return rows or whole(inputs.shape[0])


def class_targets(targets) -> jax.Array:
    """The (B, K) targets themselves, q of (q, ...): what pairs are chosen by where other shares are mixed along."""
    return floating(targets[0] if isinstance(targets, tuple) else targets)


def _per(lam_per: str, draw, key, rows: Rows) -> jax.Array:
    """`draw(key)` for each local row, or one draw for all of them; rows along the first axis."""
    if lam_per not in LAM_PER:
        raise ValueError(f"lam_per is {lam_per!r}; use one of {', '.join(LAM_PER)}")
    if lam_per == "batch":
        drawn = draw(key)
        return jnp.broadcast_to(drawn, rows.positions.shape + drawn.shape)
    return jax.vmap(draw)(rows.keys(key))


def _along(lam: jax.Array | np.ndarray, values: jax.Array) -> jax.Array | np.ndarray:
    """lam (B,) in the type of `values` (B, ...), with axes of 1 to match."""
    return lam.reshape(lam.shape + (1,) * (values.ndim - lam.ndim)).astype(values.dtype)
