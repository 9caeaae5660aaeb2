"""The command `avatar-broker doctor`: checks each step to a session, and names fixes."""
