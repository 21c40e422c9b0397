"""Training on anybody's pictures: the loop, folders of pictures, fine-tuning, LoRA."""
