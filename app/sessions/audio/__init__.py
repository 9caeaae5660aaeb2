"""Audio: recordings that visitors send, and their conversion to what Kaltura takes."""
