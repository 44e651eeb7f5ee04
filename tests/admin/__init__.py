"""The admin, as staff meet it: over HTTP, on the real database."""
