"""From the text of a cell to what it says: numbers, dates, ids, and what is spoiled."""
