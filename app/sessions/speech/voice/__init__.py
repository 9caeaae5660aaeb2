"""The voice of speech: Kaltura's own, or a text-to-speech service."""
