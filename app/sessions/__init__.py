"""Everything about avatar sessions that depends neither on HTTP nor on Kaltura's protocol."""
