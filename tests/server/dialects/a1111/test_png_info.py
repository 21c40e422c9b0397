"""What a picture's text tells."""

from kakusan.server.dialects.a1111.png_info import parameters_of

TEXT = """a cat
Negative prompt: blurry
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, Model: m, Hires resize: 0x1024"""


def test_keys() -> None:
    found = parameters_of(TEXT)
    assert (found["Prompt"], found["Negative prompt"]) == ("a cat", "blurry")
    assert (found["Size"], found["Size-1"], found["Size-2"]) == ("512x768", "512", "768")
    assert (found["Hires resize-1"], found["Hires resize-2"]) == ("0", "1024")
    assert (found["Steps"], found["Sampler"], found["Seed"]) == ("20", "Euler a", "5")
    assert (found["Clip skip"], found["Schedule type"]) == ("1", "Automatic")


def test_a_text_without_settings_is_a_prompt() -> None:
    assert parameters_of("only words")["Prompt"] == "only words"


def test_nothing() -> None:
    assert parameters_of("  ") == {}
