"""The look of methods: the same in every figure, apart from each other in one, in colour and in grey."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.colors import to_rgb

from results.figure_spec import figure_names, load_figure
from results.render.figures.style import LOOKS, MARKERS, Look, columns_of, looks


@pytest.mark.parametrize("name", figure_names())
def test_no_two_methods_of_a_figure_look_alike(name: str) -> None:
    variants = list(load_figure(name).scope.variants)
    found = [(look.colour, look.marker) for look in looks(variants).values()]
    assert len(set(found)) == len(variants)


def test_a_method_of_the_suite_looks_the_same_in_every_company() -> None:
    alone = looks(["ilq"])["ilq"]
    assert looks(["somebody", "bc", "ilq", "ilq-limit-off"])["ilq"] == alone == LOOKS["ilq"]


def test_a_variant_keeps_the_colour_of_its_method() -> None:
    found = looks(["mogface", "mogface-sse", "mogface-hcam", "mogface[eta=0.5]"])
    assert {look.colour for look in found.values()} == {LOOKS["mogface"].colour}
    assert len({look.marker for look in found.values()}) == 4


def test_a_method_that_nobody_knows_has_a_look_of_its_own_that_stays() -> None:
    assert looks(["a-new-method"]) == looks(["a-new-method"])
    assert looks(["bc", "a-new-method"])["a-new-method"] == looks(["a-new-method"])["a-new-method"]
    assert isinstance(looks([f"method {number}" for number in range(40)])["method 39"], Look)


FAMILIES = [
    ["ilq", "cql", "iql", "td3_bc", "mcq", "bc", "warm-start", "sac"],
    ["dmkd", "dfmsd", "fgd", "mgd", "pkd", "cwd", "plain", "inherit-only"],
    ["efficientface", "mogface"],
]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_methods_of_a_family_are_told_apart_without_colour(family: list[str]) -> None:
    assert {name for each in FAMILIES for name in each} == set(LOOKS)
    for one, other in itertools.combinations([LOOKS[name] for name in family], 2):
        assert one.marker != other.marker
        assert one.dashes != other.dashes
        assert one.colour != other.colour


def test_colours_are_seen_on_white() -> None:
    def luminance(colour: str) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for look in LOOKS.values():
        assert 1.05 / (luminance(look.colour) + 0.05) > 2.0
        assert look.marker in MARKERS


def test_four_panels_stand_two_by_two() -> None:
    assert [columns_of(panels) for panels in (1, 2, 3, 4, 5, 6, 12)] == [1, 2, 3, 2, 3, 3, 3]
