"""What is done to many rows."""
