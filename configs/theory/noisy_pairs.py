"""Retrieval from pairs of which some are wrong."""

from lamv.theory import recipe


def get_config():
    return recipe(
        "noisy_pairs",
        title="Retrieval from noisy pairs",
        about="Two views of digits, some training pairs wrong: which loss, which smoothing and which filter still retrieve?",
    )
