"""Rules of model selection (select.rule): at which evaluated step the numbers of a row are taken."""

from typing import NamedTuple

from lamv.catalog.metrics import WORST_GROUP


class Rule(NamedTuple):
    """metric: SPLIT/METRIC; the step is the first at which it is largest, "" for the last step. step: the same in words."""

    metric: str
    step: str

    @property
    def is_oracle(self) -> bool:
        """Whether the step is chosen on a test split."""
        return self.metric.startswith("test")


LAST = "last"
RULES: dict[str, Rule] = {
    LAST: Rule("", "the last step"),
    "valid_worst_group": Rule(f"valid/{WORST_GROUP}", "the step with the best validation worst-group accuracy"),
    "valid_accuracy": Rule("valid/accuracy", "the step with the best validation accuracy"),
    "valid_mean_group": Rule("valid/mean_group_accuracy", "the step with the best validation mean group accuracy"),
    "oracle_test_worst_group": Rule(
        f"test/{WORST_GROUP}",
        "the step with the best worst-group accuracy on the test set (ORACLE: chosen on the test set)",
    ),
}


def in_words(rule: str, patience: int | None) -> str:
    """ "the step with the best validation accuracy, early stopping after 5 evaluations without a better one"."""
    words = RULES[rule].step if rule in RULES else f"the step that the rule {rule} chose"
    if patience and rule != LAST:
        several = "evaluation" if patience == 1 else f"{patience} evaluations"
        words += f", early stopping after {several} without a better one"
    return words
