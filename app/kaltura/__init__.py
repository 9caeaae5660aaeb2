"""Kaltura's APIs: contract, client, credentials and errors; nothing here knows visitors."""
