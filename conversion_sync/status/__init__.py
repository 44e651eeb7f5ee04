"""The reading side: how things stand, why, and what to do about it. Nothing here writes."""
