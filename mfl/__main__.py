"""How does `python -m mfl` run? As `mfl` does."""

from __future__ import annotations

from mfl.cli import main

if __name__ == "__main__":
    main()
