"""Who a visitor is, where the app around the broker has a login of its own."""
