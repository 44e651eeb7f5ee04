"""A site with customers, orders and the like, for the tests of mirrors."""
