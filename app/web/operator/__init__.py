"""The API and the console for operators."""
