"""The avatars and voices that visitors may choose, as Kaltura's catalog describes them."""
