"""The bibliography: every claim has a source there, and names are words of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from results import published
from results.sources import Source, bibliography, cited, load_sources


def test_every_claim_of_every_family_cites_something() -> None:
    claims = published.load_all()
    text = bibliography(claims)
    assert text.count("@") == len(
        {key for table, source in zip(claims["table"], claims["source"], strict=True) for key in cited(table, source)}
    )
    assert "@inproceedings{ilq," in text


def test_no_entry_is_there_for_nothing() -> None:
    claims = published.load_all()
    pairs = set(zip(claims["table"], claims["source"], strict=True))
    used = {key for table, source in pairs for key in cited(table, source)}
    assert set(load_sources()) == used


def test_a_quoted_number_cites_its_table_and_the_paper_it_is_quoted_from() -> None:
    assert cited("ILQ paper Table 1", "ILQ paper, Table 1, quoting the IQL paper, Table 1") == ["ilq", "iql"]
    assert cited("ILQ paper Table 1", "ILQ paper, Table 1") == ["ilq"]


def test_a_name_inside_a_longer_word_is_not_mentioned() -> None:
    source = Source(type="misc", names=["LFD README", "TD3+BC paper"], title="x")
    assert source.mentioned("LFD README, table 2")
    assert source.mentioned("quoting the TD3+BC paper (same value)")
    assert not source.mentioned("SRLFD README")
    assert not source.mentioned("LFD READMEs")
    assert not source.mentioned("a-TD3+BC paper")


def test_an_entry_prints_its_fields_and_protects_capitals() -> None:
    source = Source(type="misc", names=["x"], title="DMKD: Dual", year=2023, eprint="2309.02719", archiveprefix="arXiv")
    assert source.bibtex("dmkd") == (
        "@misc{dmkd,\n  title = {{DMKD: Dual}},\n  year = {2023},\n  eprint = {2309.02719},\n  archiveprefix = {arXiv},\n}"
    )


def test_a_fault_in_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text("fgd: {type: misc, names: [FGD], titel: x}\n")
    with pytest.raises(RepriseError, match=r"sources\.yaml: fgd\.tit"):
        load_sources(path)
    path.write_text("- fgd\n")
    with pytest.raises(RepriseError, match="must map the key"):
        load_sources(path)


def test_a_claim_without_an_entry_is_refused_by_name() -> None:
    claims = published.load_all().head(1).assign(table="A paper of ours", source="a note")
    with pytest.raises(RepriseError, match="no entry for the table 'A paper of ours'"):
        bibliography(claims)
