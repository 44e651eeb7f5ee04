"""What comes of files, as people have them."""
