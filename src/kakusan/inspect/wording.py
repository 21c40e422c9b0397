"""The words in figures, in English or Japanese."""

from typing import Literal, get_args

from kakusan.errors import RequestError, shown
from kakusan.inspect.sheet import can_write

Language = Literal["en", "ja"]
JAPANESE = {
    "seed": "シード",
    "to": "→",
    "channel": "チャンネル",
    "timestep": "タイムステップ",
    "factor": "係数",
    "signal": "信号",
    "noise": "ノイズ",
    "How much is noise": "信号とノイズの割合",
    "Where each scheduler stops on the way": "各スケジューラーが通るタイムステップ",
    "noise level": "ノイズレベル",
    "Noise levels on the way": "各スケジューラーが通るノイズレベル",
    "steps": "ステップ数",
    "guidance": "ガイダンス",
    "scheduler": "スケジューラー",
    "prompt": "プロンプト",
    "negative_prompt": "ネガティブプロンプト",
    "model": "モデル",
}


def worded(text: str, language: Language) -> str:
    """A word of a figure in a language; English where no font here can write the other.

    Raises:
        RequestError: There is no such language.
    """
    if language not in get_args(Language):
        raise RequestError(f"language must be 'en' or 'ja', not {shown(language)}")
    translated = JAPANESE[text]
    return translated if language == "ja" and can_write(translated) else text
