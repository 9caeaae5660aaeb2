"""The emulator's picture: a face, drawn."""
