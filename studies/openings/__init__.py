"""How long readers wait for images: each opening of the viewer says it, a page sums it up."""
