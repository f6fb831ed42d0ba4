"""Trackers mirror metrics.jsonl, the truth, while a run goes on, and get the figures and tables of its report at the end.

    with trackers.Mirror("runs/demo", ["tensorboard"]) as mirror:
        mirror.begin()      # once the files are those of this run
        ...                 # metrics.jsonl grows
        mirror.finish()     # figures and tables

A row with one seed is a run of the tracker, "LS .1/seed 0". Trackers follow the file, so the training knows nothing of
them; whatever one does, the run goes on, and what it lacks is sent by the next command, or by experiments.export.
"""

from lamv.trackers.mirror import TRACKERS, Mirror, checked, export

__all__ = ["TRACKERS", "Mirror", "checked", "export"]
