from __future__ import annotations
def render_csv(table):
    return ""
