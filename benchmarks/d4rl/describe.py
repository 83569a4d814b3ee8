"""What a data set's manifest says of it, for people and programs: sizes, returns, how episodes end, normalised means."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.base import Json

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)

_FIRST = ("source", "environment", "rows", "episodes", "rows_after_last_episode")
_LAST = (
    *("acceptance", "optional_keys", "reward_rule", "left_out", "clipped_actions", "first_states", "open_loop"),
    *("hash", "behaviours", "versions"),
)
"""Keys of a manifest that are shown as they are, before and after the returns. A manifest need not have all of them."""


def summary(manifest: Mapping[str, Json]) -> dict[str, Json]:
    """The facts of any set from its manifest, in the order in which they are shown; what the manifest lacks is left out.

    Returns are undiscounted sums over complete episodes. `mean_normalized_return_*`: with D4RL's references, and with our own
    where the set has them (protocol, section 6.2).
    """
    returns, lengths = np.array(manifest["returns"]), np.array(manifest["lengths"])
    quantiles = {str(q): round(float(np.quantile(returns, q)), 1) for q in QUANTILES} if len(returns) else None
    return {
        **{key: manifest[key] for key in _FIRST if key in manifest},
        "mean_length": round(float(lengths.mean()), 1) if len(lengths) else None,
        "return_quantiles": quantiles,
        "share_of_terminals": manifest["terminal_share"],
        "mean_return": manifest["mean_return"],
        **{f"mean_normalized_return_{kind}": score for kind, score in manifest["mean_normalized_return"].items()},
        **{key: manifest[key] for key in _LAST if key in manifest},
    }


MOST_LINES, MOST_VALUES = 6, 8
"""How many entries of a list people are shown; of more, the ends or the range."""


def shown(value: Json) -> str:
    """A fact as text for people: rounded, one entry of a mapping per line, long lists abridged."""
    if isinstance(value, Mapping):
        return "\n".join(f"{_plain(key)}: {_inline(entry)}" for key, entry in value.items())
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        lines = [_inline(entry) for entry in value]
        left_out = len(lines) - MOST_LINES
        return "\n".join(lines if left_out <= 0 else [*lines[:3], f"... {left_out} more", *lines[-3:]])
    return _inline(value)


def _inline(value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(key)} {_inline(entry)}" for key, entry in value.items() if key != "sha256")
    if isinstance(value, list):
        numbers = all(isinstance(entry, (int, float)) for entry in value)
        if numbers and len(value) > MOST_VALUES:
            low, middle, high = (_inline(float(each(value))) for each in (min, np.median, max))
            return f"{len(value)} values, {low} to {high}, median {middle}"
        return ", ".join(map(_inline, value))
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _plain(key: str) -> str:
    return key.replace("_", " ")
