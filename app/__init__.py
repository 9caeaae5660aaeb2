"""Avatar Broker: a backend-for-frontend for Kaltura avatars."""

__version__ = "0.1.0"
