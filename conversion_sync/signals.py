"""What the app tells the site."""

from django.dispatch import Signal

__all__ = ["changed", "gate_closed", "row_failed", "row_synced"]

#: A row became due, and the change is committed. Sent once per transaction, without a sender:
#: rows of several models may have changed. Arguments: ``using``, the alias of the database.
changed = Signal()

#: A row was confirmed by the API. ``sender``: its model. Arguments: ``pks``.
row_synced = Signal()

#: A row needs a person. ``sender``: its model. Arguments: ``pks``.
row_failed = Signal()

#: The gate closed until staff act. Arguments: ``reason``.
gate_closed = Signal()
