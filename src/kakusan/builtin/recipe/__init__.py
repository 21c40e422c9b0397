"""How the built-in model is made and judged: drawn scenes, captions, stages, and the judge."""
