"""Comparisons: one prompt, up to four panes, many turns; live objects that outlive the page."""
