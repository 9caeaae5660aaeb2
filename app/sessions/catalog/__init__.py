"""What visitors may choose: avatars and voices, as Kaltura's catalog describes them."""
