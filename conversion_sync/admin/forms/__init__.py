"""Forms, their fields and widgets."""
