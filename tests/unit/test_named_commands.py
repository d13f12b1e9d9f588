"""Messages, alerts and the README send people to commands; these have to exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from streamproc.cli.commands import application

ROOT = Path(__file__).parents[2]
PLACES = [
    *sorted((ROOT / "streamproc").rglob("*.py")),
    *sorted(path for path in (ROOT / "deploy").rglob("*") if path.suffix in {".yml", ".yaml", ".json", ".py"}),
    ROOT / "README.md",
    ROOT / "docker-compose.yml",
]
PLANNED = ("skip", "bench")
"""Commands of later releases: named here so that a mention of them counts as one of a command."""


def known_commands() -> dict[str, set[str]]:
    """Each command and its own commands."""
    top = typer.main.get_group(application).commands
    return {name: set(getattr(command, "commands", {})) for name, command in top.items()}


@pytest.mark.parametrize("place", PLACES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_that_is_named_exists(place: Path) -> None:
    known = known_commands()
    named = re.findall(rf"streamproc ({'|'.join((*known, *PLANNED))})\b(?: ([a-z]+))?", place.read_text())
    missing = [
        f"{name} {inner}" for name, inner in named if name not in known or (inner and known[name] and inner not in known[name])
    ]
    assert missing == []
