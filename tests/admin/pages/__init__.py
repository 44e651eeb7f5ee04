"""The pages beside those that Django has."""
