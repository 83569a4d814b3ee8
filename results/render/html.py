from __future__ import annotations
def render_html(table):
    return ""
