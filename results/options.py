"""Options that `reprise table` and `reprise figure` share: which runs they show and where their files go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Records = Annotated[Path | None, typer.Option(help="Read exported records (file or folder) instead of MLflow.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the files.")]
Keys = Annotated[Path | None, typer.Option(help="A file with run keys (`reprise plan --json`): only these.")]
Where = Annotated[list[str] | None, typer.Option(help="[COLUMN:]FIELD=VALUE: only runs like this; repeatable.")]
