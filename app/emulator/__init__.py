"""An emulator of Kaltura's avatars, with a drawn face and a voice, for use without an account."""
