"""Other tools' HTTP APIs, each translated to jobs of the one queue and back."""
