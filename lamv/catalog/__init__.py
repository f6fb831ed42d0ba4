"""An entry for each method, mitigation, cue, metric and rule of model selection: name, knobs, sentence, definition.

Tables, captions, figures, pages and the checks of configs and claims read them. Without jax or matplotlib.
"""
