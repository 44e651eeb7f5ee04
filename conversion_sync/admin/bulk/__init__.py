"""Something done to many rows at once."""
