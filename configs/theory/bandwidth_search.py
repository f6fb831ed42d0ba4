"""RC-Mixup's search for the bandwidth, on spectra with 30 % wrong labels (Hwang, Kim & Whang 2024).

    python -m experiments.theory --config=configs/theory/bandwidth_search.py --workdir=runs/bandwidth_search

The authors' data are not in their repository; these are spectra of our own making: half as many, a fifth of the epochs.
160 CPU seconds, 3 to 5 minutes on busy cores. 5 seeds, mean ± sd, test set:

                               RMSE, nm        MAPE, %
    ERM                        13.43 ± .33     13.62 ± .36
    Mixup                      17.11 ± .57     17.83 ± .98
    C-Mixup, 20 nm             12.82 ± .29     12.50 ± .49
    clean set, not mixed        8.80 ± .60      7.74 ± .42
    RC-Mixup, 20 nm            10.50 ± .26      9.50 ± .17
    RC-Mixup, searched          8.77 ± .57      7.68 ± .41     authors' notebook, their data: 8.1799, 6.1727

The search gains 1.7 nm on the first bandwidth, by choosing small ones: 6.0 ± 1.4 nm on average. What helps is leaving out
the examples that fit badly: against these alone, without mixing, RC-Mixup gains .03 nm, a tie.
"""

from lamv.theory import recipe


def get_config():
    return recipe(
        "bandwidth_search",
        title="RC-Mixup and its search for the bandwidth",
        about="Thicknesses of layers from spectra, with wrong labels: does it help to mix near labels only, to leave out"
        " what fits badly, and to search for the bandwidth?",
    )
