"""Avatar Broker: a backend-for-frontend for Kaltura avatars."""
