"""`avatar-broker doctor`: tries all that a session needs, and names what fails and its fix."""
