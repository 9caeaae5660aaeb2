"""The emulator's media: audio and video over WebRTC."""
