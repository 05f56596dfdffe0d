"""What a terminal sees: the boundary, the renderers and the lazy commands."""
