"""Training: the data that the project draws itself, the losses, and the two stages."""
