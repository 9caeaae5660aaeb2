"""A stand-in Kaltura with a face and a voice, to develop against with no account."""
