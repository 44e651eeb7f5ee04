"""Mirrors of a site's models."""
