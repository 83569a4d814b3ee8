"""Options that several commands of `reprise data` have."""

from __future__ import annotations

from typing import Annotated

import typer

Rows = Annotated[int, typer.Option(help="Rows per behaviour policy (1000000 for parity with D4RL).", min=1)]
Seed = Annotated[int, typer.Option(help="Seed of the collection.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
