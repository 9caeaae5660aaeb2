"""The identity of visitors whom the surrounding app's login has signed in (AUTH_MODE=jwt)."""
