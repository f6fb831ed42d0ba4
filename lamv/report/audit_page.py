"""The page of an audit, from the content of its audit.json: verdicts, pictures, tables, how. No jax."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamv.catalog import metrics
from lamv.catalog.cues import name_of
from lamv.catalog.words import number
from lamv.report import page
from lamv.report.figures import style
from lamv.report.figures.style import ACCENT, INK, WIDTH, Drawn, as_svg
from lamv.report.numbers import decimals_for, interval, points, shortened, text_table
from lamv.report.page import Heading, PageTable
from lamv.report.table import Cell

#: What a verdict is called, and its colour.
LOOKS = {"helps": "#2f6f4f", "safe": "#3a5f8a", "risky": "#b8431f", "inconclusive": "#70707c"}
MEANINGS = (
    ("helps", "Accuracy rises, and nothing that was looked at gets worse."),
    (
        "safe",
        "Accuracy does not fall by 3 points or more, and the method rests on no part of the inputs more than ERM does.",
    ),
    (
        "risky",
        "The method is worse than ERM, or rests more than ERM on a part of the inputs that by itself predicts the label.",
    ),
    ("inconclusive", "The data, or the time, allows none of these verdicts; the sentence names what is missing."),
)
#: Of the reliability, those that the page prints.
SHARES = ("false_safe", "false_safe_of_grave", "false_risky", "inconclusive")
#: Parts that are found because they predict the label.
DIRECTIONS = ("leading direction", "low-variance directions")
#: Parts shown in the table, and shortcuts that are named.
PARTS, SHORTCUTS = 12, 6


def write(path: Path, content: Mapping[str, Any], pictures: Sequence[Any] = ()) -> Path:
    """Write the page. pictures: of lamv.audit.pictures."""
    return page.save(path, page.render("audit.html.j2", page_content(content, pictures)))


def as_text(content: Mapping[str, Any]) -> str:
    """The verdicts for a terminal."""
    names = list(content["methods"])
    columns = [
        ["method", *names],
        ["verdict", *(content["methods"][name]["verdict"] for name in names)],
        ["accuracy − ERM, points", *(_interval(content["methods"][name]["accuracy_difference"]) for name in names)],
    ]
    lines = text_table(columns)
    return "\n".join([*lines, "", *(f"{name}: {content['methods'][name]['why']}" for name in names)])


def page_content(content: Mapping[str, Any], pictures: Sequence[Any]) -> dict[str, Any]:
    """Everything that audit.html.j2 shows."""
    with style.drawing():
        figures = [drawn for drawn in (_evidence_figure(content), _dose_figure(content["cues"])) if drawn]
    return {
        "name": Path(content["asked"]["data"]).name,
        "headline": headline(content["methods"]),
        "verdicts": [
            {"name": name, "colour": LOOKS[of["verdict"]], **of} for name, of in content["methods"].items()
        ],
        "shortcuts": shortcuts(content),
        "meanings": MEANINGS,
        "data": content["data"],
        "data_table": _data_table(content["data"]),
        "group_table": _group_table(content["data"]),
        "figures": figures,
        "pictures": pictures,
        "parts": _part_table(content),
        "measures": _measure_table(content),
        "remedies": _remedy_table(content),
        "reliability": content["reliability"],
        "reliability_table": _reliability_table(content["reliability"]),
        "plan": content["plan"],
        "asked": content["asked"],
        "examples": content["examples"],
        "terms": metrics.terms([key for key in content["measures"] if not key.startswith("test/layers/")]),
    }  # fmt: skip


def shortcuts(content: Mapping[str, Any]) -> list[str]:
    """Parts that predict the label as well by themselves as ERM does from everything, in words, best first."""
    evidence = [one for of in content["methods"].values() for one in of["evidence"]]
    sufficient = {one["key"] for one in evidence if one["kind"] == "sufficient"} - set(DIRECTIONS)
    found = [part for part in content["parts"] if part["key"] in sufficient]
    found = sorted(found, key=lambda part: -part["alone"])[:SHORTCUTS]
    return [
        f"{part['words']} (right in {100 * part['alone']:.0f} %; with that of another example, ERM is right in"
        f" {100 * part['rows']['erm']['accuracy']:.0f} %)"
        for part in found
    ]


def headline(methods: Mapping[str, Any]) -> str:
    """All verdicts in a sentence."""
    by: dict[str, list[str]] = {}
    for name, of in methods.items():
        by.setdefault(of["verdict"], []).append(name)
    order = [verdict for verdict in ("risky", "helps", "safe", "inconclusive") if verdict in by]
    words = {"risky": "risky", "helps": "of help", "safe": "safe", "inconclusive": "not decided"}
    parts = [
        f"{' and '.join(by[verdict])} {'is' if len(by[verdict]) == 1 else 'are'} {words[verdict]}" for verdict in order
    ]
    return f"On this data, {'; '.join(parts)}."


def _evidence_figure(content: Mapping[str, Any]) -> Drawn | None:
    """Of each method, its differences from ERM: accuracy, groups, and the three parts that move it most."""
    lines = []
    for name, of in content["methods"].items():
        parts = [e for e in of["evidence"] if e["kind"] in ("sufficient", "part")]
        others = [e for e in of["evidence"] if e["kind"] not in ("sufficient", "part")]
        parts = sorted(parts, key=lambda e: e["difference"]["mean"])[:3]
        lines += [(name if not number else "", e, of["verdict"]) for number, e in enumerate([*others, *parts])]
    if not lines:
        return None
    fig, [axes] = style.panels(1, 1, (WIDTH, 0.7 + 0.27 * len(lines)))
    left, right = _reach([e["difference"] for _, e, _ in lines if e["suspect"]])
    labels = []
    for place, (name, e, verdict) in enumerate(lines):
        difference = e["difference"]
        mean = 100 * difference["mean"]
        low, high = (
            100 * (difference[end] if difference[end] is not None else difference["mean"]) for end in ("low", "high")
        )
        colour = LOOKS[verdict] if e["suspect"] else "#a8a8b2"
        axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        face, shown = colour if e["suspect"] else "white", min(max(mean, left), right)
        marker = "o" if shown == mean else "<" if shown == left else ">"
        axes.plot([shown], [place], marker, color=colour, markersize=5, markerfacecolor=face, clip_on=False, zorder=3)
        labels.append(f"{name + ':  ' if name else ''}{shortened(_short(e), 44)}")
        if name and place:
            axes.axhline(place - 0.5, color="#d6d6de", linewidth=0.8)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlim(left, right)
    axes.set_yticks(range(len(lines)), labels)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("accuracy minus that of ERM, points")
    alt = "; ".join(f"{label}: {_interval(e['difference'])}" for label, (_, e, _) in zip(labels, lines, strict=True))
    caption = (
        "Each line is a difference from ERM: its mean over seeds and the 95 % interval. “Without” a part: the part of the"
        " inputs is replaced by that of another test example; a method that falls below ERM then rests on it more than ERM"
        " does. Open, grey: shown, and not held against a method, as data without any shortcut looks the same. A triangle:"
        " further out than the axis reaches."
    )
    return Drawn("evidence", as_svg(fig), f"Differences from ERM. {alt}", caption)


def _reach(differences: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Ends of an axis, in points, that holds these intervals and a few points around 0; others may leave it."""
    ends = [100 * (of[end] if of[end] is not None else of["mean"]) for of in differences for end in ("low", "high")]
    low, high = min(-5.0, *ends), max(5.0, *ends)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _short(evidence: Mapping[str, Any]) -> str:
    if evidence["kind"] in ("sufficient", "part"):
        return f"without {evidence['words']}"
    return {
        "accuracy": "accuracy",
        "hard": "hard examples",
        "clusters": "worst cluster",
        "groups": "worst group",
    }.get(evidence["key"], evidence["words"])


def _dose_figure(cues: Sequence[Mapping[str, Any]]) -> Drawn | None:
    """Accuracy with a random cue minus ERM's, over how much the cue varies; a panel for each cue."""
    if not cues:
        return None
    fig, panels = style.panels(
        len(cues), 2, (WIDTH, 3.0 if len(cues) == 1 else 2.7 * ((len(cues) + 1) // 2)), share="xy"
    )
    texts = []
    for axes, cue in zip(panels, cues, strict=True):
        shares = [100 * dose["within_share"] for dose in cue["doses"]]
        for place, (name, of) in enumerate(cue["methods"].items()):
            means = [100 * sum(values) / len(values) for values in of["differences"]]
            axes.plot(shares, means, marker=style.MARKERS[place], linestyle=style.LINES[place % 4], label=name,
                      color=(ACCENT, "#3a5f8a", INK, "#2f6f4f", "#7a3b69")[place % 5])  # fmt: skip
            numbers = ", ".join(f"{x:.0f} % {y:+.1f}" for x, y in zip(shares, means, strict=True))
            texts.append(f"{cue['cue']['kind']}, {name}: {numbers}")
        axes.axhline(0, color=INK, linewidth=1)
        if cue["own_within_share"] is not None:
            axes.axvline(100 * cue["own_within_share"], color="#70707c", linestyle=":", linewidth=1.2)
        axes.set_title(name_of(cue["cue"]["kind"]))
    for axes in panels:
        axes.set_xlabel("variance of the cue within classes, %")
    fig.supylabel("accuracy with a random cue\nminus that of ERM, points", fontsize=9)
    style.add_legend(fig, panels, 4)
    planted = "; ".join(f"{name_of(cue['cue']['kind'])}: {cue['cue']['words']}" for cue in cues)
    caption = (
        f"Cues that were planted in your training data ({planted}); at test time they say nothing. Below 0, the method"
        " leans on the cue more than ERM does. The less the cue varies (to the left), the more it attracts: a shortcut in"
        " your data that varies less than where a line crosses 0 would be a risk. Dotted: where your data’s own clearest"
        " direction lies."
    )
    return Drawn("dose", as_svg(fig), "Accuracy with a random cue minus ERM's. " + "; ".join(texts), caption)


def _data_table(data: Mapping[str, Any]) -> PageTable:
    total = sum(data["counts"])
    rows = [
        [Cell(name), Cell(f"{count:,}"), Cell(f"{100 * count / total:.1f}")]
        for name, count in list(zip(data["classes"], data["counts"], strict=True))[:30]
    ]
    more = f" The first 30 of {len(data['classes'])} classes." if len(data["classes"]) > 30 else ""
    return PageTable([Heading("Class"), Heading("examples"), Heading("%")], rows, more.strip())


def _group_table(data: Mapping[str, Any]) -> PageTable | None:
    if not data["groups"]:
        return None
    rows = [[Cell(name), Cell(f"{count:,}")] for name, count in list(data["groups"].items())[:40]]
    return PageTable([Heading("Group"), Heading("examples")], rows, "A group is a label with a value of your column.")


def _part_table(content: Mapping[str, Any]) -> PageTable | None:
    """Parts that the predictions of any row rest on most."""
    if not content["parts"]:
        return None
    names = ["erm", *content["methods"]]
    rests = {part["key"]: min(part["rows"][name]["accuracy"] for name in names) for part in content["parts"]}
    shown = sorted(content["parts"], key=lambda part: rests[part["key"]])[:PARTS]
    headings = [
        Heading("Part of the inputs"), Heading("predicts the label", "by itself, %"),
        Heading("varies within classes", "% of its variance"),
        *(Heading(_name(name), "% right without it") for name in names),
        *(Heading(_name(name), "% follow it") for name in names),
    ]  # fmt: skip
    rows = []
    for part in shown:
        share = "" if part["within_share"] is None else f"{100 * part['within_share']:.1f}"
        note = ", ".join(part["columns"]) if part["columns"] and not part["key"].startswith("column") else ""
        rows.append([
            Cell(part["words"], note=note), Cell("" if part["alone"] is None else f"{100 * part['alone']:.0f}"), Cell(share),
            *(Cell(f"{100 * part['rows'][name]['accuracy']:.1f}") for name in names),
            *(Cell(f"{100 * part['rows'][name]['follows']:.1f}") for name in names),
        ])  # fmt: skip
    caption = (
        "“Without” a part: accuracy when it is replaced by that of another test example. “Follow it”: of those whose other"
        " example has another label, the share that is then given that label. Means over seeds."
    )
    return PageTable(headings, rows, caption)


def _measure_table(content: Mapping[str, Any]) -> PageTable | None:
    """Metrics of all rows, with the difference from ERM and its interval."""
    if not content["measures"]:
        return None
    names = ["erm", *content["methods"]]
    rows = []
    for metric, of in content["measures"].items():
        entry = metrics.entry_of(metric)
        percent = metric.endswith("within_over_total") or (entry is not None and entry.percent)
        scale = 100 if percent else 1
        cells = []
        for name in names:
            difference = of[name]["difference"]
            decimals = 1 if percent else decimals_for([of["erm"]["mean"]])
            cell = Cell(number(scale * of[name]["mean"], decimals))
            if difference:
                low, high = difference["low"], difference["high"]
                ends = "" if low is None else interval(low, high, decimals, scale, signed=True)
                apart = low is not None and (low > 0 or high < 0)
                cell = cell._replace(
                    difference=number(scale * difference["mean"], decimals, True), interval=ends, apart=apart
                )
            cells.append(cell)
        rows.append([Cell(_metric_words(metric, entry, percent)), *cells])
    caption = (
        "Below each number, its difference from ERM and the 95 % interval of it over seeds (Student’s t); bold where the"
        " interval excludes 0."
    )
    return PageTable([Heading("Measured on test examples"), *(Heading(_name(name)) for name in names)], rows, caption)


def _metric_words(metric: str, entry: Any, percent: bool) -> str:
    where = metric.split("/")[1:-1]
    if metric.startswith("test/layers/"):
        return f"layer {where[-1]}: variance within classes, % of total"
    if where:
        what = metric.rpartition("/")[2].replace("_", " ").replace("within over total", "within / total")
        return f"{where[0]}: {what}{', %' if percent else ''}"
    return entry.name if entry else metric


def _remedy_table(content: Mapping[str, Any]) -> PageTable | None:
    if not content["remedies"]:
        return None
    headings = [
        Heading("Method"), Heading("remedy", text=True),
        Heading("before", "points from ERM"), Heading("with it", "points from ERM"),
        Heading("price", "points of accuracy"), Heading("measured on", text=True),
    ]  # fmt: skip
    rows = [
        [Cell(one["method"]), Cell(one["remedy"]), _cell(one["before"]), _cell(one["after"]), _cell(one["price"]),
         Cell(one["of"])]
        for one in content["remedies"]
    ]  # fmt: skip
    caption = (
        "What the method was found risky for, before and with the remedy, each as a difference from plain ERM; and what the"
        " remedy costs in accuracy on test examples, against the method without it."
    )
    return PageTable(headings, rows, caption)


def _reliability_table(known: Mapping[str, Any]) -> PageTable:
    verdicts = list(LOOKS)
    rows = [
        [Cell(f"truth: {truth}"), *(Cell(str(known["counts"].get(truth, {}).get(verdict, 0))) for verdict in verdicts)]
        for truth in ("helps", "safe", "risky")
    ]
    shares = {key: f"{100 * known[key]:.0f} %" for key in SHARES}
    caption = (
        f"{known['judged']} verdicts in {known['worlds']} synthetic worlds; the truth was found by training at length on"
        f" four times the data. {known['missed']} verdicts are a false “safe” or “helps”: {shares['false_safe']} of the"
        f" methods that lose 3 points or more, {shares['false_safe_of_grave']} of the {known['grave']} that lose 5 or more."
        f" Of harmless ones, {shares['false_risky']} were called risky; {shares['inconclusive']} of all were left open."
        " Thresholds were set on as many other worlds."
    )
    return PageTable([Heading("Verdict"), *(Heading(verdict) for verdict in verdicts)], rows, caption)


def _cell(of: Mapping[str, Any] | None) -> Cell:
    if of is None:
        return Cell()
    ends = "" if of["low"] is None else interval(of["low"], of["high"], signed=True)
    return Cell(points(of["mean"], signed=True), interval=ends, difference="")


def _interval(of: Mapping[str, Any] | None) -> str:
    if of is None:
        return "–"
    ends = "" if of["low"] is None else f" {interval(of['low'], of['high'], signed=True)}"
    return f"{points(of['mean'], signed=True)}{ends}"


def _name(name: str) -> str:
    return "ERM" if name == "erm" else name
