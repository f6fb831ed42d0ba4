"""Data mixtures of language models: a law for the loss, averages of parameters, and mixing online.

Three papers ask how much of each domain a language model should be trained on, without training on every mixture:

law       "Data Mixing Laws" (Ye et al., ICLR 2025): the loss on a domain is c + k exp(sum_j t_j r_j) in the shares r. A
          few mixtures are trained, the law is fitted, and the best mixture predicted.
averages  "Scalable Data Ablation Approximations for Language Models through Modular Training and Merging" (EMNLP 2024):
          the average of the parameters of models of single domains predicts the loss of a model of their union, if all
          were continued from one model.
online    "Efficient Online Data Mixing" (Albalak et al. 2023): a bandit draws the domain of each batch, with the loss as
          the reward.

The law is fitted to the paper's losses of two domains. Everything else runs on a toy (lamv.theory.mixtures.chains): five
domains, from the most to the least predictable, that share a part of their transitions; the losses of its model are exact,
and so is their floor. A control goes with each: the law against a linear fit and equal shares, averages against those
of parts from different starts, which must fail, and online mixing against equal shares and on pure noise.
"""

from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, at_least, between
from lamv.theory.mixtures import chains, law, merging, online
from lamv.theory.outcome import Outcome
from lamv.theory.replicas import seeds_of

some_above_0 = Allowed(
    lambda values: len(values) > 2 and all(0 < v < 2**31 for v in values), "three numbers above 0 or more"
)

KNOBS = (
    Knob("concentrations", (0.03, 0.1, 0.2, 0.4, 1.0), some_above_0, "Dirichlet of the rows of a domain's own transitions"),
    Knob("shared", 0.35, between(0, 1), "part of the transitions that all domains share"),
    Knob("tokens", 32, at_least(2), "size of the vocabulary"),
    Knob("length", 26, at_least(3), "tokens of a text; all but the first two are predicted"),
    Knob("batch_size", 32, at_least(1), "texts of a step"),
    Knob("learning_rate", 3e-3, above(0), "of Adam"),
    Knob("mixtures", 60, at_least(2), "law: mixtures that are trained"),
    Knob("fitted", 40, at_least(4), "law: mixtures that it is fitted on; the others are held out"),
    Knob("steps", 300, at_least(1), "law: steps of training"),
    Knob("start_steps", 400, at_least(1), "averages: steps of the model that the parts start from"),
    Knob("part_steps", 200, at_least(1), "averages: further steps of each part and of each union"),
    Knob("online_steps", 500, at_least(2), "online: steps of training"),
    Knob("natural", (0.6, 0.2, 0.1, 0.06, 0.04), some_above_0, "online: natural proportions of the domains"),
    Knob("decay", 0.9, between(0, 1), "online: of the running mean of the rewards"),
)  # fmt: skip


def run(config) -> Outcome:
    """The published losses, then the three parts on the toy."""
    num_domains = len(config.concentrations)
    if len(config.natural) != num_domains:
        raise ConfigError(
            f"config.natural has {len(config.natural)} numbers, must have one for each of {num_domains} domains"
        )
    if not num_domains < config.fitted < config.mixtures - 1:
        raise ConfigError(
            f"config.fitted is {config.fitted}, must be above {num_domains}, the number of domains, and leave two"
            f" of {config.mixtures} mixtures held out"
        )
    worlds = [
        chains.draw_chains(seed, config.concentrations, config.shared, config.tokens) for seed in seeds_of(config)
    ]
    outcome = Outcome([], [], [], REMARKS)
    law.published(outcome)
    law.toy(config, worlds, outcome)
    merging.run(config, worlds, outcome)
    online.run(config, worlds, outcome)
    return outcome


REMARKS = (
    "As the shares sum to 1, a constant added to all exponents of the law is a factor of k: the exponents are not"
    " identified, and only predictions are judged. With two domains the exponent is the difference of the two.",
    "Averages order the unions as joint training does, but are nearer to each other: the slope is below 1.",
    "The bandit's rewards are losses over probabilities: what is drawn more often earns less. That keeps it near equal"
    " shares, and the damage by pure noise small.",
)
