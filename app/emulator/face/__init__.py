"""The emulator's picture: a drawn and animated face."""
