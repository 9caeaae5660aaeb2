"""All that knows Kaltura, and nothing that knows visitors."""
