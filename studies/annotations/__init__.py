"""What a reader leaves on images: measurements and key images."""
