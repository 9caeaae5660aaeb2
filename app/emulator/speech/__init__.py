"""The emulator's voice: speech, and the mouth that makes it."""
