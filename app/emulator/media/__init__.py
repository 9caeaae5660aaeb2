"""The emulator's media: sound and picture over WebRTC."""
