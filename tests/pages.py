"""Reading pages as a browser would, and names that would do harm in one."""

import html.parser

import pytest
from matplotlib.figure import Figure

HOSTILE = '<script>alert("$x$")</script> & \'"'


def undraw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every figure asked for and put together, and show nothing: drawing is most of the time of a page."""
    monkeypatch.setattr(Figure, "savefig", lambda fig, out, **_: out.write("<svg></svg>"))


class Page(html.parser.HTMLParser):
    """The tags, attributes and text of a page; `between`: what stands before the text of each element."""

    def __init__(self, text, between=""):
        super().__init__()
        self._between = between
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text += f"{self._between}{data}" if self.tags[-1:] != ["style"] else ""
