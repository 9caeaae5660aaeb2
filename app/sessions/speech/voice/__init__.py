"""The voices that say texts: Kaltura's own, and a text-to-speech service."""
