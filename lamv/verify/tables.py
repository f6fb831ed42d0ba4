"""Judged claims in words and tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from lamv import places
from lamv.catalog.papers import PAPERS
from lamv.claims import Claim
from lamv.report.claim_table import line_of

HEADINGS = ("claim", "measured", "n", "should be", "95 % interval of the margin", "verdict", "source")


def in_short(recipe: Mapping[str, Any]) -> str:
    """ "digits_tag: 10 of 10 claims hold, 9 clearly; 58 s"."""
    if recipe["not_run"]:
        return f"{recipe['recipe']}: not run: {recipe['not_run']}"
    verdicts = [claim["verdict"] for claim in recipe["claims"]]
    if not verdicts:
        return f"{recipe['recipe']}: makes no claim"
    held = sum(verdict.startswith("holds") for verdict in verdicts)
    how = f"{recipe['seconds']:.0f} s" if recipe["seconds"] else "read"
    left = verdicts.count("not judged")
    return (
        f"{recipe['recipe']}: {held} of {len(verdicts)} claims hold, {verdicts.count('holds clearly')} clearly"
        f"{f', {left} not judged' if left else ''}; {how}"
    )


def totals(content: Mapping[str, Any]) -> str:
    """ "81 claims hold, 1 misses, 2 are not judged; 3 recipes were not run"."""
    waiting = sum(bool(recipe["not_run"]) for recipe in content["recipes"])
    parts = [f"{content['held']} claims hold", f"{content['missed']} miss", f"{content['not_judged']} are not judged"]
    left = f"; {waiting} {'recipe was' if waiting == 1 else 'recipes were'} not run" if waiting else ""
    return ", ".join(parts) + left


def as_markdown(content: Mapping[str, Any]) -> str:
    """The page docs/claims.md."""
    parts = [
        "# Claims",
        f"What the recipes claim, as `python -m experiments.verify` judged it on {content['date']}: {totals(content)}.",
        "*Clearly*: the whole 95 % interval of measured minus bound, over seeds, lies on the side of the verdict"
        " (Student’s t; paired by seed where the bound is a multiple of another row). Without it the mean decides alone."
        " A dash: a single number, which has no interval. Seconds are wall time, beside whatever else the machine did.",
        f"{_environment(content)}.",
    ]
    for recipe in content["recipes"]:
        parts += [f"## {recipe['recipe']}", in_short(recipe).partition(": ")[2].capitalize() + _when(recipe, content)]
        if recipe["claims"]:
            parts.append(of_claims(recipe["claims"]))
    return "\n\n".join([*parts, "## Numbers in the documents", *_of_documents(content)]) + "\n"


def _environment(about: Mapping[str, Any]) -> str:
    """ "cpu; python 3.11.7, jax 0.10.2"."""
    return f"{about['device']}; {', '.join(f'{name} {number}' for name, number in about['versions'].items() if number)}"


def _when(recipe: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """The end of the sentence on a recipe: when it was trained, and on what where that is not what the page names."""
    measured = recipe["measured"]
    if measured is None:
        return "."
    other = {key: measured[key] for key in ("device", "versions")} != {
        key: content[key] for key in ("device", "versions")
    }
    return f"; {measured['date']}{f', {_environment(measured)}' if other else ''}."


def _of_documents(content: Mapping[str, Any]) -> list[str]:
    """Which of the numbers that documents state are a mean and sd of these runs."""
    number = sum(len(recipe["stated"]) for recipe in content["recipes"])
    parts = [f"Of the numbers “mean ± sd” in docstrings of these recipes and in docs/, {number} are in these runs."]
    for key, words in (("not_found", "Not found in these runs"), ("with_flags", "Measured with flags, not run here")):
        listed = [f"- {document}: {', '.join(texts)}" for document, texts in content[key].items()]
        parts += [f"{words}:", "\n".join(listed)] if listed else []
    return parts


def of_papers(record: Mapping[str, Any]) -> str:
    """What each paper reports, with the command, the seconds and the verdicts of a `record` (claims.json; {} for none)."""
    known = {recipe["recipe"]: recipe for recipe in record.get("recipes", [])}
    lines = []
    for paper in PAPERS:
        lines += ["", paper.cite]
        for one in paper.reports:
            lines.append(f"  {one.what}")
            named = [("", one.recipe), ("quick: ", one.quick), ("accelerator: ", one.accelerator)]
            lines += [
                f"    {kind}{_command(name, name)}{_in_brackets(known.get(name))}" for kind, name in named if name
            ]
            said = (("came out", one.outcome), ("published", one.published), ("not reproduced", one.missing))
            lines += [f"    {kind}: {words}" for kind, words in said if words]
    return "\n".join(lines[1:])


def papers_page(record: Mapping[str, Any]) -> str:
    """The page docs/papers.md: all that each paper reports, with what a `record` (claims.json) has of its recipe."""
    known = {recipe["recipe"]: recipe for recipe in record["recipes"]}
    parts = [
        "# Papers",
        "What the papers report that lamv reproduces, the command for it, and what came out: mean ± sd over seeds, what"
        " the recipe took, and how many of its [claims](claims.md) hold. *Published* is a number read in the source"
        " itself, of the setting that it names.",
        "Recipes on CIFAR take `--config.data.path` too, unless the [data](data.md) lie at a usual place. `python -m"
        " experiments.verify --papers` lists the same in a terminal.",
    ]
    for paper in PAPERS:
        parts.append(f"## {paper.cite}")
        for one in paper.reports:
            named = [(one.recipe, ""), (one.quick, "  # smaller"), (one.accelerator, "  # for an accelerator")]
            commands = [f"{_command(name, f'configs/{name}.py')}{kind}" for name, kind in named if name]
            said = [one.outcome, f"Published: {one.published}." if one.published else ""]
            said += [f"Not reproduced: {one.missing}." if one.missing else ""]
            said += [f"({words})" if (words := _of_record(known.get(one.recipe))) else ""]
            parts += [f"**{one.what[0].upper()}{one.what[1:]}.**"]
            parts += ["\n".join(["```", *commands, "```"])] if commands else []
            parts.append(" ".join(filter(None, said)))
    return "\n\n".join(parts) + "\n"


def _command(recipe: str, config: str) -> str:
    command = "theory" if places.is_of_theory(recipe) else "train"
    return f"{places.called(command)} --config={config} --workdir=runs/{recipe.rpartition('/')[2]}"


def _in_brackets(recipe: Mapping[str, Any] | None) -> str:
    """ "   (41 s; 10 of 10 claims hold)"."""
    return f"   ({words})" if (words := _of_record(recipe)) else ""


def _of_record(recipe: Mapping[str, Any] | None) -> str:
    """ "41 s; 10 of 10 claims hold"."""
    if recipe is None or recipe["not_run"]:
        return ""
    held = sum(claim["verdict"].startswith("holds") for claim in recipe["claims"])
    parts = [f"{recipe['seconds']:.0f} s"] if recipe["seconds"] else []
    parts += [f"{held} of {len(recipe['claims'])} claims hold"] if recipe["claims"] else []
    return "; ".join(parts)


def of_claims(claims: Iterable[Mapping[str, Any]]) -> str:
    """Claims as claims.json holds them, a line each."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(_row(claim) for claim in claims)]
    return "\n".join(_line(row) for row in rows)


def _line(cells: Iterable[str]) -> str:
    escaped = [text.replace("|", "\\|") for text in cells]
    return f"| {' | '.join(escaped)} |"


def _row(stored: Mapping[str, Any]) -> tuple[str, ...]:
    claim = Claim(
        stored["quantity"], stored["value"], stored["bound"], stored["source"], stored["relation"], stored["tolerance"],
        stored["sd"], stored["n"], stored["note"], None if stored["verdict"] == "not judged" else True,
    )  # fmt: skip
    line = line_of(claim)
    measured = line.measured + (f" ± {line.sd}" if line.sd else "")
    expected = line.expected + (f" ± {line.tolerance}" if line.tolerance else "")
    margin = "–" if stored["margin"] is None else f"[{stored['margin'][0]:+.3g}, {stored['margin'][1]:+.3g}]"
    verdict = ": ".join(filter(None, [stored["verdict"], stored["note"]]))
    return stored["quantity"], measured, line.n, expected, margin.replace("-", "−"), verdict, stored["source"]
