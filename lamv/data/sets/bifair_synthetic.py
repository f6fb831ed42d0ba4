"""The synthetic data of BiFair: a label that a feature predicts, and an attribute that makes it likelier.

    P(y = 1 | a = 1) = 2/3,   P(y = 1 | a = 0) = 1/3,   P(a = 1) = 1/2,   x = (x1, a) with x1 ~ N(y, 1)

in exactly these shares. The log-odds of the label are x1 - 1/2 plus or minus log 2, so a good network looks at a, and treats
examples of one label and different attributes differently. Source: Ozdayi, Kantarcioglu & Iyer, "BiFair: Training fair
models with bilevel optimization", 2021; `gen_synth_data` of its code.
"""

import hashlib

import numpy as np

from lamv.data.splits import Source, Splits, make_split

#: Examples of the groups g = 2 y + a.
COUNTS = (2000, 1000, 1000, 2000)


def read() -> Splits:
    """parts={"all"}: inputs (6000, 2) float32, labels and attributes in [0, 2); drawn once, and cut by the seed."""
    groups = np.repeat(np.arange(4), COUNTS)
    labels, attributes = groups // 2, groups % 2
    # The stream of RandomState is frozen.
    feature = labels + np.random.RandomState(0).standard_normal(len(labels))
    inputs = np.column_stack([feature, attributes]).astype(np.float32)
    digest = hashlib.sha256(inputs.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    source = Source("bifair_synthetic", digest, official=None)
    part = make_split(source.file, inputs, labels, 2, attributes=attributes, num_attributes=2)
    return Splits(
        name="bifair_synthetic",
        parts={"all": part},
        class_names=("unfavourable", "favourable"),
        attribute_names=("unprivileged", "privileged"),
        input_names=("x1", "a"),
        sources=(source,),
    )
