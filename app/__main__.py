"""`python -m app` is `avatar-broker`."""

from app.cli import main

main()
