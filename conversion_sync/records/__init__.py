"""What a record says, in our own words: from a row, from Conversion, as it was last sent."""
