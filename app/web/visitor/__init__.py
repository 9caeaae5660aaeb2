"""The API for visitors and services."""
