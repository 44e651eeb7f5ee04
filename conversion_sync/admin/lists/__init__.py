"""Lists of rows that stay fast at any size."""
