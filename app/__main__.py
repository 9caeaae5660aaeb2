"""The entry point of `python -m app`, which is the command `avatar-broker`."""

from app.cli import main

main()
