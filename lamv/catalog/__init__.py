"""One entry a method, a mitigation, a metric: names, knobs, symbols, sentences, colours, what it needs.

Tables, captions, figures, pages and the checks of configs and claims read them here. Without jax or matplotlib.
"""
