"""Lists: what they find, how long they are, and what they cost."""
