"""Specifications of tables of methods: what the suite has, what is refused, and claims that name nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from benchmarks.coco.pairs import AP, TASKS
from benchmarks.coco.sets import KINDS
from benchmarks.wider_face import sets
from benchmarks.wider_face.protocols import PROTOCOLS
from results import published
from results.method_claims import MethodClaims
from results.method_spec import MethodTableSpec
from results.table_files import FOLDER, load_spec, table_names
from results.table_spec import TableSpec

CLAIMS = published.load("distillation")


def method_spec(name: str) -> MethodTableSpec:
    spec = load_spec(name)
    assert isinstance(spec, MethodTableSpec)
    return spec


METHOD_TABLES = [name for name in table_names() if isinstance(load_spec(name), MethodTableSpec)]


def test_the_layout_decides_how_a_table_is_read() -> None:
    assert isinstance(load_spec("ilq-table-1"), TableSpec)
    assert len(METHOD_TABLES) >= 5


DISTILLATION_TABLES = [name for name in METHOD_TABLES if load_spec(name).family == "distillation"]
FACE_TABLES = [name for name in METHOD_TABLES if load_spec(name).family == "face_detection"]


@pytest.mark.parametrize("name", FACE_TABLES)
def test_a_table_of_faces_names_tasks_metrics_and_claims_that_exist(name: str) -> None:
    spec = method_spec(name)
    assert set(spec.tasks) <= set(sets.TASKS)
    assert {sets.TASKS[task].metric.name for task in spec.tasks} == {spec.metric}
    assert spec.claims.data_kind in (sets.KINDS[spec.tasks[0]], "WIDER FACE")
    claims = MethodClaims(spec, published.load("face_detection"), "last")
    for group in spec.groups if spec.claims.tables["last"] else ():
        shown = [claims.figure(group, row, column) for row in spec.rows for column in spec.columns]
        assert sum(each is not None for each in shown) >= 3, group.key


def test_a_table_of_faces_has_a_group_for_every_protocol() -> None:
    suffixes = [group.suffix for group in method_spec("wider-face").groups]
    assert suffixes == [f":{name}" for name in PROTOCOLS] + [":unknown"]


def test_published_costs_are_multiples_as_the_papers_have_them() -> None:
    """The paper's 1/15: 808.05 over 52.59 (face methods, section 2.1)."""
    spec = method_spec("face-cost")
    claims = MethodClaims(spec, published.load("face_detection"), "last")
    column = next(column for column in spec.columns if column.times is not None)
    found = claims.figure(spec.groups[0], spec.row("mogface"), column)
    assert found is not None
    assert found.value == pytest.approx(808.05 / 52.59)


@pytest.mark.parametrize("name", DISTILLATION_TABLES)
def test_a_table_names_tasks_a_metric_and_claims_that_exist(name: str) -> None:
    spec = method_spec(name)
    assert spec.id == name
    assert set(spec.tasks) <= set(TASKS)
    assert (spec.metric, spec.claims.data_kind) == (AP.name, KINDS["coco"])
    claims = MethodClaims(spec, CLAIMS, "last")
    column = next(column for column in spec.columns if column.over is not None)
    assert all(group.claims for group in spec.groups) == (name != "distillation-synth")
    for group in spec.groups if spec.claims.tables["last"] else ():
        gains = [claims.figure(group, row, column) for row in spec.rows]
        assert any(gain is not None and gain.value > 0 for gain in gains)


def spec_with(tmp_path: Path, old: str, new: str) -> str:
    text = (FOLDER / "distillation-retinanet.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    return str(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layout: methods", "layout: [methods]", "mine.yaml:2: unknown layout '['methods']'"),
        ("layout: methods", "layout: method", r"mine.yaml:2: unknown layout 'method'; did you mean 'methods'"),
        ("over: plain", "over: plane", "column 'gain' is a gain over 'plane', which is the id of no row"),
        ("{AP: teacher_AP}", "{AR: teacher_AP}", "row 'teacher' carries 'AR', which is the metric of no column"),
        ("{id: l2, label: L2}", "{label: L2}", "row 'L2' needs an id, a claim or carried metrics"),
        ("{id: l2, label: L2}", "{id: fgd, label: L2}", "row 'fgd' is listed twice"),
        ("metric: AP75", "metric: AP50", "column 'AP50' is listed twice"),
        ("divisor: 1000000", "divisor: 0", "columns.7.divisor: "),
        ("label: PKD,", "lable: PKD,", "unknown key 'lable'; did you mean 'label'"),
        ("    last:", "    lst:", "claims.tables has no statistic 'lst'"),
    ],
)
def test_a_bad_specification_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RepriseError, match=r"mine\.yaml:\d+: ") as caught:
        load_spec(spec_with(tmp_path, old, new))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- MasKD README", "- MaskD README", "unknown claim table 'MaskD README'; did you mean 'MasKD README'"),
        ("- RetinaNet-unsp", "- RetinaNet-ansp", "unknown published task 'RetinaNet-anspecified->RetinaNet-R50-2x'"),
        ("claim: FGD}", "claim: FGDD}", "rows.7.claim: unknown published method 'FGDD'; did you mean 'FGD'"),
        ("label: AP50,", "label: AP50, claim: AP50,", "columns.1.claim: unknown published metric 'AP50'"),
    ],
)
def test_a_claim_that_names_nothing_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RepriseError) as caught:
        MethodClaims(method_spec(spec_with(tmp_path, old, new)), CLAIMS, "last")
    line = next(place for place, text in enumerate((tmp_path / "mine.yaml").read_text().splitlines(), 1) if new in text)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:{line}: ")
    assert message in str(caught.value)
