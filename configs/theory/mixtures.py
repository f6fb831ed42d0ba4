"""Data mixtures of language models."""

from lamv.theory import recipe


def get_config():
    return recipe(
        "mixtures",
        title="Data mixtures of language models",
        about="A law for the loss of a mixture, averages of parameters in place of joint training, and mixing online.",
    )
