"""The emulator's voice: speech synthesis, and the shapes of the mouth for it."""
