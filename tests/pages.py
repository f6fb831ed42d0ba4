"""Reading pages as a browser would, and names that would do harm in one."""

import html.parser

HOSTILE = '<script>alert("$x$")</script> & \'"'


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
