"""The papers that lamv reproduces: what each reports, and the recipe for it; no jax.

A recipe runs on two CPU cores unless it is under `accelerator`; `quick` is a smaller one of the same kind.
"""

from typing import NamedTuple


class Reported(NamedTuple):
    """Something that a paper reports. recipe, quick, accelerator: names in configs/, "" for none.

    missing: what of it is not reproduced, and why; "" for nothing.
    """

    what: str
    recipe: str = ""
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
        Reported("ERM with weight decay keeps half of its weight on features of high variance (Theorem 3.3); smoothing and"
                 " Mixup leave them (Theorem 3.6)", "theory/linear_features"),
        Reported("losses bounded below by the variance of the outputs (Proposition 3.10)", "digits_variance"),
        Reported("a shortcut that fails now and then is the feature of more variance", "theory/for_better"),
        Reported("CIFAR-10: error, and variance of activations and outputs", "cifar10/variance_small",
                 "cifar10/resnet20_variance", "cifar10/resnet18_methods", f"ResNet-18: {NO_MACHINE}"),
        Reported("the same on CIFAR-100", accelerator="cifar100/resnet18_label_smoothing", missing=NO_MACHINE),
        Reported("two classes of CIFAR-10 with an identifying pixel, logistic regression", "spurious/pixel_cifar10",
                 "spurious/identifying_pixel"),
        Reported("colored MNIST, a network of width 2,048", "spurious/colored_mnist", "spurious/colored_mnist_quick"),
    )),
    Paper("Zhang et al., mixup, ICLR 2018, arXiv 1710.09412", (
        Reported("CIFAR-10, ResNet-18 (pre-activation): test error of ERM and Mixup", accelerator="cifar10/resnet18_mixup",
                 missing=NO_MACHINE),
        Reported("ablations: inputs only, labels only, within classes", "digits_family"),
    )),
    Paper("Müller et al., When Does Label Smoothing Help?, NeurIPS 2019, arXiv 1906.02629", (
        Reported("calibration and tight classes under smoothing", "digits_variance"),
        Reported("smoothed teachers have worse students", "distill/students", missing="begins with distill/teachers"),
    )),
    Paper("Zhou et al., MaxSup, NeurIPS 2025, arXiv 2502.15798", (
        Reported("the term of smoothing on right and wrong predictions; variance and transfer beside smoothing", "maxsup",
                 "maxsup_fashion", missing=f"ResNet-50 on ImageNet: {NO_MACHINE}"),
        Reported("nothing on shortcuts; here the demo's tag", "spurious/maxsup_tag"),
    )),
    Paper("Lukasik et al., Does Label Smoothing Mitigate Label Noise?, ICML 2020", (
        Reported("smoothing against noisy labels, beside the backward correction", "label_noise"),
    )),
    Paper("Chidambaram et al., Towards Understanding the Data Dependency of Mixup-style Training, ICLR 2022, arXiv"
          " 2110.07647", (
        Reported("Mixup misclassifies training points on the alternating line", "theory/alternating_line"),
        Reported("how near mixed points come to other classes in real data", "theory/collisions"),
        Reported("margins on two moons", "theory/two_moons"),
        Reported("Mixup and ERM agree in high dimension", "theory/linear_equivalence"),
    )),
    Paper("Chidambaram et al., Provably Learning Diverse Features with Midpoint Mixup, ICML 2023, arXiv 2210.13512", (
        Reported("both views of a class are learned", "theory/multi_view"),
        Reported("images with two views, joined by their channels", "midpoint_images",
                 missing=f"the ResNet-18 of 100 epochs (midpoint_images:published): {NO_MACHINE}"),
    )),
    Paper("Zou et al., The Benefits of Mixup for Feature Learning, ICML 2023, arXiv 2303.08433", (
        Reported("rare features are learned before noise is memorised; early stopping of Mixup", "theory/rare_features"),
    )),
    Paper("Liu et al., Over-Training with Mixup May Hurt Generalization, ICLR 2023, arXiv 2303.01475", (
        Reported("U-shaped test curve of long training: least squares, random features, digits", "theory/overtraining"),
        Reported("CIFAR-10 over thousands of epochs", missing="too long for two cores"),
    )),
    Paper("Ye et al., Data Mixing Laws, ICLR 2025; Scalable Data Ablation Approximations for Language Models, EMNLP 2024;"
          " Albalak et al., Efficient Online Data Mixing, 2023", (
        Reported("a law for the loss of a mixture, averages of parameters, mixing online", "theory/mixtures",
                 missing="language models: the toy is of Markov chains, and only losses of two domains are the paper's"),
    )),
    Paper("Dang et al., Noisy Correspondence Learning with Self-Reinforcing Errors Mitigation, AAAI 2024, arXiv"
          " 2312.16478", (
        Reported("retrieval from noisy pairs, a filter by energy", "theory/noisy_pairs",
                 missing="the paper's data; two of its terms are recalled from the abstract"),
    )),
    Paper("Yao et al., C-Mixup, NeurIPS 2022; RC-Mixup", (
        Reported("regression with wrong labels", "diabetes", missing="the papers' data"),
        Reported("RC-Mixup's search for the bandwidth", "theory/bandwidth_search", missing="the authors' data, which are not"
                 " in their repository"),
    )),
    Paper("Sun et al., LORT, ICLR 2025; Kang et al., cRT, ICLR 2020; Menon et al., logit adjustment, ICLR 2021", (
        Reported("a last layer trained anew on frozen features balances a long tail", "long_tails/fashion_mnist",
                 "long_tails/digits", "long_tails/cifar", f"CIFAR-10-LT, CIFAR-100-LT: {NO_MACHINE}"),
    )),
    Paper("Zheng et al., Self-Evolution Learning for Mixup, EMNLP 2023, arXiv 2305.13547", (
        Reported("few texts: stages from easy to hard, and Mixup of instance-smoothed labels", "few_shot_text",
                 missing="the paper's data sets and BERT; a gain in accuracy does not appear"),
    )),
    Paper("Zhang et al., Delving Deep into Label Smoothing, IEEE TIP 2021", (
        Reported("online label smoothing against noisy labels", "label_noise", missing="CIFAR-100 and ImageNet"),
    )),
    Paper("Shah et al., The Pitfalls of Simplicity Bias in Neural Networks, NeurIPS 2020", (
        Reported("dominoes: the simpler half is learned", "spurious/dominoes", "spurious/dominoes_quick"),
    )),
    Paper("Sagawa et al., group DRO, ICLR 2020; Liu et al., JTT, ICML 2021; Kirichenko et al., DFR, ICLR 2023; Yao et al.,"
          " LISA, ICML 2022", (
        Reported("mitigations against a tag, crossed with methods", "spurious/digits_grid"),
        Reported("Waterbirds and CelebA", accelerator="spurious/waterbirds", missing=f"from scratch; {NO_MACHINE}"),
    )),
    Paper("Teney et al., Selective Mixup Helps with Distribution Shifts, But Not (Only) because of Mixup, ICML 2024", (
        Reported("pairs that are selected and not mixed explain much of a repair by pairs", "spurious/selection",
                 missing="its data sets and criteria of selection; here the pairs are those of lamv's mitigations"),
    )),
    Paper("Ozdayi, Kantarcioglu and Iyer, BiFair: Training Fair Models with Bilevel Optimization, 2021", (
        Reported("fair weights of examples, on synthetic data", "spurious/bifair",
                 missing="its tables on Adult, Bank and COMPAS, and CelebA"),
    )),
)  # fmt: skip
