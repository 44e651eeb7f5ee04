"""From the bytes of a file to lines of cells: text files and spreadsheets."""
