"""Floor 2: training. What a step is (step), over replicas and devices (parallel), for a row (variants), and when (loop)."""

import sys

import lamv

sys.modules[__name__].__class__ = lamv.CallablePackage
