"""From a due row to a settled row."""
