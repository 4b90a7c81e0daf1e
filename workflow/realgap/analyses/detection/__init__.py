"""How well a small classifier tells generated images from real ones."""
