"""The `lamplighter` command."""

from lamplighter.cli.entry import main

__all__ = ["main"]
