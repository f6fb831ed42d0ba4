"""Data mixtures of language models: a law for the loss, averages of parameters, and mixing online, on five Markov chains.

    python -m experiments.theory --config=configs/theory/mixtures.py --workdir=runs/mixtures

The data mixing law (ICLR 2025) fits the published losses of two domains, and predicts held-out mixtures of the toy better
than a linear fit. Averages of the parameters of models of single domains (EMNLP 2024) order the unions as joint training
does, if all parts were continued from one start; from different starts they do not. Online data mixing (2023) beats
natural proportions and ties with equal shares; where a domain is pure noise, it draws that more often.

106 CPU seconds for 310 models of 300 steps, 175 of 200, 30 of 400, and 30 of 500. 5 seeds, mean ± sd:

    published losses, 30,000 steps   c       k    exponent (published)   R2
    70M, GitHub                    1.110   .505   -1.64   (-1.64)      .9983
    70M, Pile-CC                   3.423   .537   -2.59   (-2.52)      .9994
    160M, GitHub                    .925   .450   -1.78   (-1.61)      .9987
    160M, Pile-CC                  3.082   .537   -2.53   (-2.72)      .9989

    toy, R2 on 20 held-out mixtures    domain 1      2            3            4            5
    law, fitted on 40                .988 ± .009  .990 ± .003  .985 ± .007  .983 ± .008  .938 ± .030
    linear                           .798 ± .090  .861 ± .018  .907 ± .033  .892 ± .041  .906 ± .039

    averages                   correlation, least domain   of the mean loss   slope        averaged - joint
    parts from one start         .985 ± .001                .966 ± .006    .667 ± .005   -.0190 ± .0011
    from different starts        .681 ± .039               -.580 ± .104    .095 ± .004    .1343 ± .0147

    online: loss above entropy       natural        uniform        online
    domains                        .539 ± .025    .420 ± .005    .420 ± .003
    extremes, but for the noise    .537 ± .025    .458 ± .010    .470 ± .012   (share of noise: .04, .20, .2124 ± .0016)

Regret against the best of the 60 mixtures: -.0036 ± .0039 for the one that the law chooses, -.0062 ± .0030 for equal shares,
a tie. One check of 28 falls short: R2 in domain 5, whose losses spread the least.
"""

from lamv.theory import recipe


def get_config():
    return recipe(
        "mixtures",
        title="Data mixtures of language models",
        about="A law for the loss of a mixture, averages of parameters in place of joint training, and mixing online.",
    )
