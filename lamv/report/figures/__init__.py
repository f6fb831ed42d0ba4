"""The figures of a page, as SVG."""
