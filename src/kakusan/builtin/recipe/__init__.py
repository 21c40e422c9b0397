"""How the built-in model is made: drawn scenes, captions, stages."""
