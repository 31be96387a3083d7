"""``python -m implstats``: the command line."""

from implstats.cli import main

main()
