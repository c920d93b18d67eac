"""Demo data: generated images and what load_demo sends."""
