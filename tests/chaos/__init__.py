"""Hostile hands: the real commands, killed, stopped, starved and lied to, again and again, and what they must still keep.

    python -m tests.chaos --runs=100 --seed=0 [--only=NAME,...] [--write=docs/reliability.md]

A hazard is a function in one of the modules here, with a line in HAZARDS; it takes a fresh folder, lets something happen
to a command that runs in a process of its own, and raises Broken where a promise is not kept. What is kept is compared
with an unbroken run: metrics.jsonl and DONE to the byte, summary.json as a whole, no temporary files, and of every error
exactly one line, the last, with the exit code that lamv.errors lists.
"""
