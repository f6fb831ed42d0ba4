"""Draws docs/boundary.svg, the figure of docs/theory.md.

python docs/boundary.py
"""

from pathlib import Path

from lamv.report.figures.from_data import draw
from lamv.theory.linear_features import boundary_figure

(titled,), _ = draw([boundary_figure()])
# The drawing is made to stand in a page of HTML; a file of its own has to say that it is SVG, and on what ground.
head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" style="background: white"'
Path(__file__).with_suffix(".svg").write_text(titled.drawn.svg.replace("<svg", head, 1), encoding="utf-8")
