"""What is known of each method, mitigation and rule before anything is trained: names, knobs, symbols, sentences, colours.

Told once, for tables, captions, figures, pages and the checks of configs; nothing here imports jax or matplotlib.
"""
