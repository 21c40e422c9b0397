"""Where models come from: the built-in one, a folder, the Hugging Face Hub; and safe reading."""
