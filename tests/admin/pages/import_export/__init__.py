"""Files, to lists and from them."""
