"""Mirror contacts, companies and engagements in Django, and push them to the Conversion API."""

__all__ = ["__version__"]
__version__ = "0.1.0"
