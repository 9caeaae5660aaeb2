"""`<kaltura-avatar>`, as pages of other sites load it."""
