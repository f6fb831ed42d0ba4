"""The papers that lamv reproduces: what each reports, the recipe for it, and what came out; no jax.

docs/papers.md is made of it, by experiments.verify. A recipe runs on two CPU cores unless it is under `accelerator`;
`quick` is a smaller one of the same kind.
"""

from typing import NamedTuple


class Reported(NamedTuple):
    """Something that a paper reports. recipe, quick, accelerator: names in configs/, "" for none.

    outcome: what came out, of `recipe`; numbers as "mean ± sd" are looked up in its runs (lamv.verify.stated). published:
    the number in the source; "" where there is none for this, or where none was read in the source itself. missing: what of
    it is not reproduced, and why; "" for nothing.
    """

    what: str
    recipe: str = ""
    outcome: str = ""
    published: str = ""
    quick: str = ""
    accelerator: str = ""
    missing: str = ""


class Paper(NamedTuple):
    """A paper with what it reports, in its order."""

    cite: str
    reports: tuple[Reported, ...]


NO_MACHINE = "for an accelerator; not run here"
PAPERS = (
    Paper("Chidambaram and Ge, For Better or For Worse?, ICLR 2025, arXiv 2402.06855", (
        Reported(
            "ERM with weight decay keeps half of its weight on features of high variance (Theorem 3.3); smoothing and"
            " Mixup leave them (Theorem 3.6)",
            "theory/linear_features",
            "Share of the squared weight on the high-variance feature: ERM with weight decay at least .714 ± .006,"
            " smoothing below 1e-9, Mixup below 1e-4.",
        ),
        Reported(
            "losses bounded below by the variance of the outputs (Proposition 3.10)",
            "digits_variance",
            "Within-class variance of outputs: ERM .032 ± .008, LS .1 .024 ± .002, Mixup .030 ± .003.",
        ),
        Reported(
            "a shortcut that fails now and then is the feature of more variance",
            "theory/for_better",
            "Weight on shortcut over core: ERM .075 ± .005, label smoothing .015 ± .001, Mixup .016 ± .001. Where the"
            " shortcut varies less than the core, the order turns.",
        ),
        Reported(
            "CIFAR-10: error, and variance of activations and outputs",
            "cifar10/variance_small",
            "ResNet-8, fifteen epochs, n = 3: V_W of the features 8.57 ± 0.23 (ERM), 5.12 ± 0.17 (LS .1), 4.65 ± 0.04"
            " (Mixup); test error 21.3 ± 0.3, 21.2 ± 0.1 and 24.7 ± 0.6 %. The variance is lower, the error is not:"
            " docs/cifar10.md.",
            quick="cifar10/resnet20_variance", accelerator="cifar10/resnet18_methods",
            missing=f"the lower error; ResNet-18: {NO_MACHINE}",
        ),
        Reported("the same on CIFAR-100", accelerator="cifar100/resnet18_label_smoothing", missing=NO_MACHINE),
        Reported(
            "two classes of CIFAR-10 with an identifying pixel, logistic regression",
            "spurious/pixel_cifar10",
            "Accuracy with the pixel reversed, %: ERM 38.2 ± 1.0, LS .1 11.5 ± 1.8, Mixup 12.1 ± 1.2.",
            quick="spurious/identifying_pixel",
        ),
        Reported(
            "colored MNIST, a network of width 2,048",
            "spurious/colored_mnist",
            "On Fashion-MNIST: with two colours all follow the colour (ERM 11.2 ± .8 %, LS .5 11.5 ± .6 %); with ten,"
            " smoothing follows it more than ERM, Mixup does not.",
            quick="spurious/colored_mnist_quick",
        ),
    )),
    Paper("Zhang et al., mixup, ICLR 2018, arXiv 1710.09412", (
        Reported(
            "CIFAR-10, ResNet-18 (pre-activation): test error of ERM and Mixup",
            published="ERM 5.53 %, Mixup 4.24 % (weight decay 1e-4)",
            accelerator="cifar10/resnet18_mixup", missing=NO_MACHINE,
        ),
        Reported(
            "ablations: inputs only, labels only, within classes",
            "digits_family",
            "Digits with a tag, accuracy with a random one, %: ERM 86.1 ± 1.4, inputs only 75.2 ± 2.8, labels only"
            " 32.3 ± 3.7, within classes 88.8 ± 0.9, Mixup 32.1 ± 3.4: it is the mixed labels that read the tag.",
        ),
    )),
    Paper("Müller et al., When Does Label Smoothing Help?, NeurIPS 2019, arXiv 1906.02629", (
        Reported(
            "calibration and tight classes under smoothing", "digits_variance",
            "Within-class variance of features: ERM 38.8 ± 2.7, LS .1 6.7 ± 0.2; collapse NC1 .50 ± .02 and .22 ± .01. ECE"
            " after scaling, %: 1.2 ± 0.2 and 0.8 ± 0.3; as trained 1.2 ± 0.4 and 13.0 ± 0.4.",
        ),
        Reported(
            "smoothed teachers have worse students",
            "distill/students",
            "Test accuracy of students at T = 4, %: of ERM 96.8 ± 0.4, of LS .1 96.1 ± 0.5; at T = 1 no difference.",
            missing="begins with distill/teachers",
        ),
    )),
    Paper("Zhou et al., MaxSup, NeurIPS 2025, arXiv 2502.15798", (
        Reported(
            "the term of smoothing on right and wrong predictions; variance and transfer beside smoothing",
            "maxsup",
            "Five digits, s = .1: V_W 3.95 ± .41 (LS) and 3.90 ± .40 (MaxSup), ERM 8.60 ± .52; linear probe on other"
            " digits 97.5 ± 1.0, 98.0 ± 1.0 and 96.7 ± 1.4 %: no gain. With noise .4 and s = .3 MaxSup fits 90.4 ± 2.1 % of"
            " the given labels, LS 85.6 ± 2.6.",
            published="ResNet-50 on ImageNet, variance within classes and transfer to CIFAR-10: ERM .3313, 81.43 %; LS"
            " .2543, 74.58 %; MaxSup .2998, 81.02 %",
            quick="maxsup_fashion", missing=f"ResNet-50 on ImageNet: {NO_MACHINE}",
        ),
        Reported(
            "nothing on shortcuts; here the demo's tag",
            "spurious/maxsup_tag",
            "Accuracy with a random tag, %: ERM 86.1 ± 1.4, LS .1 26.3 ± 5.7, MaxSup .1 27.7 ± 5.0, Mixup 32.1 ± 3.4, with"
            " MaxSup 20.1 ± 3.0.",
        ),
    )),
    Paper("Lukasik et al., Does Label Smoothing Mitigate Label Noise?, ICML 2020", (
        Reported(
            "smoothing against noisy labels, beside the backward correction",
            "label_noise",
            "40 % of the labels redrawn, test accuracy, %: ERM 88.7 ± 1.3, LS .1 89.7 ± 1.2, LS .5 91.6 ± 1.6, Mixup"
            " 92.6 ± 1.3, correction 82.2 ± 2.1.",
        ),
    )),
    Paper("Chidambaram et al., Towards Understanding the Data Dependency of Mixup-style Training, ICLR 2022, arXiv"
          " 2110.07647", (
        Reported(
            "Mixup misclassifies training points on the alternating line",
            "theory/alternating_line",
            "P(class 1) at the point 1 of 3: .814 ± .047, .409 ± .066 and .346 ± .051 for alpha = 1, 32 and 128.",
            ".844, .397 and .350",
        ),
        Reported(
            "how near mixed points come to other classes in real data",
            "theory/collisions",
            "Digits, alpha = 1024: mean distance 1.767 ± .007, smallest 1.17 ± .06; unmixed 1.883 ± .004 and 1.20 ± .02."
            " With the paper's protocol on CIFAR-10: 48.63 and 19.3 (docstring of the recipe).",
            "CIFAR-10: 49.03 and 17.7",
        ),
        Reported(
            "margins on two moons",
            "theory/two_moons",
            "Smallest distance to the boundary: ERM .236 ± .025, Mixup .193 ± .036 (alpha = 1) and .015 ± .028 (1024).",
        ),
        Reported(
            "Mixup and ERM agree in high dimension",
            "theory/linear_equivalence",
            "Cosine between the two: .69 ± .04 in 2 dimensions, .998 ± .001 in 1024.",
        ),
    )),
    Paper("Chidambaram et al., Provably Learning Diverse Features with Midpoint Mixup, ICML 2023, arXiv 2210.13512", (
        Reported(
            "both views of a class are learned",
            "theory/multi_view",
            "Classes with both features: ERM .69 ± .19, both kinds of Mixup all.",
        ),
        Reported(
            "images with two views, joined by their channels",
            "midpoint_images",
            "Test error of Fashion-MNIST after 3.2 epochs, %: ERM 16.7 ± .4, Mixup 17.2 ± .2, midpoint 18.5 ± .3: that both"
            " gain on ERM does not appear.",
            "ResNet-18, 100 epochs: 16.55, 9.66 and 14.84 %",
            missing=f"the ResNet-18 of 100 epochs (midpoint_images:published): {NO_MACHINE}",
        ),
    )),
    Paper("Zou et al., The Benefits of Mixup for Feature Learning, ICML 2023, arXiv 2303.08433", (
        Reported(
            "rare features are learned before noise is memorised; early stopping of Mixup",
            "theory/rare_features",
            "Accuracy on rare points, %: Mixup all right at every lam, with ERM from step 250 too, from step 125"
            " 79.1 ± 9.7; Mixup with features anywhere 75.5 ± 4.7.",
        ),
    )),
    Paper("Liu et al., Over-Training with Mixup May Hurt Generalization, ICLR 2023, arXiv 2303.01475", (
        Reported(
            "U-shaped test curve of long training: least squares, random features, digits",
            "theory/overtraining",
            "Digits, 40 points: error of Mixup 24.0 ± 5.4 % at the turn and 40.2 ± 5.4 % at the end, ERM 23.1 ± 4.9 %."
            " With a teacher that the student cannot be, ERM's curve rises too.",
        ),
        Reported("CIFAR-10 over thousands of epochs", missing="too long for two cores"),
    )),
    Paper("Ye et al., Data Mixing Laws, ICLR 2025; Scalable Data Ablation Approximations for Language Models, EMNLP 2024;"
          " Albalak et al., Efficient Online Data Mixing, 2023", (
        Reported(
            "a law for the loss of a mixture, averages of parameters, mixing online",
            "theory/mixtures",
            "Exponents of the published losses: −1.64, −2.59, −1.78, −2.53. Averages of parameters order mixtures as joint"
            " training does (.985 ± .001) if they share a start (else .681 ± .039). Online mixing ties with equal shares.",
            "−1.64, −2.52, −1.61, −2.72",
            missing="language models: the toy is of Markov chains, and only losses of two domains are the paper's",
        ),
    )),
    Paper("Dang et al., Noisy Correspondence Learning with Self-Reinforcing Errors Mitigation, AAAI 2024, arXiv"
          " 2312.16478", (
        Reported(
            "retrieval from noisy pairs, a filter by energy",
            "theory/noisy_pairs",
            "R@1 at 40 % of wrong pairs: InfoNCE 6.9 ± 1.1 %, filter by cosine 10.7 ± 0.8 %, by energy 9.3 ± 1.1 %; the"
            " energy is the worst of three detectors, smoothing of InfoNCE a tie.",
            missing="the paper's data; two of its terms are recalled from the abstract",
        ),
    )),
    Paper("Yao et al., C-Mixup, NeurIPS 2022; RC-Mixup", (
        Reported(
            "regression with wrong labels",
            "diabetes",
            "RMSE: ERM .809 ± .047, Mixup .790 ± .044, C-Mixup .788 ± .037, RC-Mixup .786 ± .032: no kind of Mixup is told"
            " from another.",
            missing="the papers' data",
        ),
        Reported(
            "RC-Mixup's search for the bandwidth",
            "theory/bandwidth_search",
            "RMSE, nm: C-Mixup 12.82 ± .29, RC-Mixup 10.50 ± .26, searched 8.77 ± .57; the clean set alone, not mixed,"
            " 8.80 ± .60.",
            "8.18 (the authors' data)",
            missing="the authors' data, which are not in their repository",
        ),
    )),
    Paper("Sun et al., LORT, ICLR 2025; Kang et al., cRT, ICLR 2020; Menon et al., logit adjustment, ICLR 2021", (
        Reported(
            "a last layer trained anew on frozen features balances a long tail",
            "long_tails/fashion_mnist",
            "Test accuracy, %: ERM 78.8 ± .4, cRT 83.2 ± .4, logit adjustment 83.0 ± .2; LORT with its published second"
            " stage 52.0 ± 2.4, a failure.",
            "CIFAR-10-LT, LS: 76.4 %",
            quick="long_tails/digits", accelerator="long_tails/cifar",
            missing=f"CIFAR-10-LT, CIFAR-100-LT: {NO_MACHINE}",
        ),
    )),
    Paper("Zheng et al., Self-Evolution Learning for Mixup, EMNLP 2023, arXiv 2305.13547", (
        Reported(
            "few texts: stages from easy to hard, and Mixup of instance-smoothed labels",
            "few_shot_text",
            "Test accuracy, %: ERM 36.4 ± 0.6, Mixup 35.9 ± 1.4, self-evolution 35.8 ± 1.2; ECE 21.2 ± 1.7, 7.1 ± 1.5 and"
            " 8.1 ± 2.2.",
            missing="the paper's data sets and BERT; a gain in accuracy does not appear",
        ),
    )),
    Paper("Zhang et al., Delving Deep into Label Smoothing, IEEE TIP 2021", (
        Reported(
            "online label smoothing against noisy labels",
            "label_noise",
            "OLS .5 90.1 ± 1.2 %, between ERM (88.7 ± 1.3) and LS .5 (91.6 ± 1.6).",
            missing="CIFAR-100 and ImageNet",
        ),
    )),
    Paper("Shah et al., The Pitfalls of Simplicity Bias in Neural Networks, NeurIPS 2020", (
        Reported(
            "dominoes: the simpler half is learned",
            "spurious/dominoes",
            "Worst group with a random garment, %: ERM 57.7 ± 4.2, LS .1 54.9 ± 1.8, Mixup 46.2 ± 4.5; with reweighting"
            " 84.7 ± 1.3, 84.4 ± 1.8 and 78.7 ± 3.0.",
            quick="spurious/dominoes_quick",
        ),
    )),
    Paper("Sagawa et al., group DRO, ICLR 2020; Liu et al., JTT, ICML 2021; Kirichenko et al., DFR, ICLR 2023; Yao et al.,"
          " LISA, ICML 2022", (
        Reported(
            "mitigations against a tag, crossed with methods",
            "spurious/digits_grid",
            "Worst group, %: ERM 48 ± 8, Mixup 1 ± 1; with DFR 85 ± 5 and 88 ± 2, with LISA 82 ± 3 and 82 ± 3, with JTT"
            " 60 ± 7 and 46 ± 17.",
        ),
        Reported("Waterbirds and CelebA", accelerator="spurious/waterbirds", missing=f"from scratch; {NO_MACHINE}"),
    )),
    Paper("Teney et al., Selective Mixup Helps with Distribution Shifts, But Not (Only) because of Mixup, ICML 2024", (
        Reported(
            "pairs that are selected and not mixed explain much of a repair by pairs",
            "spurious/selection",
            "Worst group, %: ERM 48 ± 8, LISA 80 ± 5, its pairs not mixed 69 ± 8, balanced batches alone 70 ± 7.",
            missing="its data sets and criteria of selection; here the pairs are those of lamv's mitigations",
        ),
    )),
    Paper("Ozdayi, Kantarcioglu and Iyer, BiFair: Training Fair Models with Bilevel Optimization, 2021", (
        Reported(
            "fair weights of examples, on synthetic data",
            "spurious/bifair",
            "EOD, points, at accuracy, %: ERM 47.3 ± 6.4 at 72.9 ± .5, BiFair 7.5 ± 5.3 at 70.0 ± .3, reweight 3.8 ± 2.7 at"
            " 69.7 ± .2.",
            missing="its tables on Adult, Bank and COMPAS, and CelebA",
        ),
    )),
)  # fmt: skip
