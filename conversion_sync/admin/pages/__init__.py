"""The pages beside Django's own, and parts of pages."""
