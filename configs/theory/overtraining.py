"""Training too long with Mixup: the U-shaped test curve of Liu et al. (2023), in regression and on digits.

    python -m experiments.theory --config=configs/theory/overtraining.py --workdir=runs/overtraining

Least squares on mixed data follows its closed form within 3 %, and rises past its minimum; ERM with exact targets does
not rise. So it is on random ReLU features with a teacher of the student's own features; with a teacher that the student
cannot be, ERM's risk rises too, and more than Mixup's. A small network on a few digits: Mixup's error nearly doubles
after its turning point where data are few, ERM's stays, and a switch to ERM at the turning point keeps what was gained.

23 s on 2 busy CPU cores. 5 seeds, mean ± sd. One check of 28 falls short, that of Mixup's rise above ERM's with a
teacher out of reach.

    least squares, 64 features    n = 16         n = 32         n = 64
    turning time                 1.5 ± 0.8      3.3 ± 0.9      5.9 ± 2.2
    end / minimum - 1, risk     1.96 ± 0.91    0.96 ± 0.53    0.30 ± 0.18    (ERM: 0.00)

    random ReLU features, 64      n = 16         n = 32         n = 64     end / minimum - 1, risk
    own features: Mixup         0.40 ± 0.37    0.16 ± 0.20    0.03 ± 0.03
    own features: ERM           0.00 ± 0.00    0.01 ± 0.03    0.00 ± 0.00
    tanh network: Mixup         0.23 ± 0.17    0.21 ± 0.13    0.22 ± 0.06
    tanh network: ERM           0.43 ± 0.26    0.76 ± 0.19    0.73 ± 0.29

    digits                        n = 40         n = 80         n = 160
    turning step of 5,000        460 ± 129      640 ± 147      840 ± 331
    Mixup: error in % there     24.0 ± 5.4     12.9 ± 2.5      7.7 ± 1.5
    Mixup: at the end           40.2 ± 5.4     22.9 ± 3.0     10.3 ± 1.7
    ERM: at the end             23.1 ± 4.9     11.9 ± 2.4      7.4 ± 0.8
    Mixup, then ERM             22.2 ± 5.6     11.7 ± 2.5      7.1 ± 1.2

On these digits Mixup does no better than ERM at any time: what is shown is the turn, not a gain.
"""

from lamv.theory import recipe


def get_config():
    return recipe(
        "overtraining",
        title="Training too long with Mixup",
        about="Mixup's targets carry noise that depends on the data: learnt late, it turns the test curve up again.",
    )
