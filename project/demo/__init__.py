"""``make demo``: the site, its queue and a stand-in of the API, together and with sample data."""
