"""Reports: written beside the images, signed once, never changed, sent to who waits for them."""
