"""Audio: recordings that visitors send, and their conversion to the format that Kaltura takes."""
