"""What people write around what they want, and nothing draws: moods, praise, requests."""

from collections.abc import Sequence
from typing import TypeVar

from kakusan.builtin.recipe.backdrops import Rng

ThingT = TypeVar("ThingT")

MOODS = (
    *(
        "cute",
        "beautiful",
        "happy",
        "funny",
        "lovely",
        "adorable",
        "pretty",
        "cool",
        "sad",
        "angry",
    ),
    *("old", "young", "new", "fluffy", "magical", "strange", "mysterious", "wild", "majestic"),
    *("elegant", "fat", "sleepy", "smiling", "friendly", "spooky", "scary", "delicious", "shiny"),
    *("colorful", "nice", "sweet", "lonely", "brave", "crazy", "ancient", "modern", "realistic"),
    *("kawaii", "fancy", "simple", "wise", "evil", "fresh", "tasty", "epic", "gorgeous", "round"),
    *("wooden", "chubby", "lazy", "playful", "proud", "mighty"),
)
MOODS_JA = (
    *(
        "かわいい",
        "可愛い",
        "美しい",
        "きれいな",
        "綺麗な",
        "楽しそうな",
        "嬉しそうな",
        "かっこいい",
    ),
    *(
        "古い",
        "新しい",
        "不思議な",
        "元気な",
        "怒った",
        "悲しい",
        "悲しそうな",
        "ふわふわの",
        "素敵な",
    ),
    *(
        "おしゃれな",
        "怖い",
        "面白い",
        "優しい",
        "丸い",
        "もふもふの",
        "幸せな",
        "笑顔の",
        "可愛らしい",
    ),
    *("美味しそうな", "おいしそうな", "強い", "眠そうな", "幻想的な", "リアルな", "魔法の", "若い"),
    *(
        "すごい",
        "静かな",
        "伝説の",
        "美しく輝く",
        "光り輝く",
        "カラフルな",
        "レトロな",
        "シンプルな",
    ),
)
# What living things look like, which is not drawn: no colour in it is theirs
LOOKS = (
    *("with blue eyes", "with green eyes", "with big eyes", "with red eyes", "with long hair"),
    *("with blonde hair", "in a red dress", "wearing a blue dress", "in a suit", "in a hoodie"),
    *("wearing a white shirt", "with a smile", "with white wings", "with sharp teeth", "with fur"),
)
LOOKS_JA = (
    *(
        "青い目の",
        "緑の目の",
        "大きな目の",
        "赤い目の",
        "長い髪の",
        "金髪の",
        "赤い服の",
        "白い服の",
    ),
    *("青い服を着た", "赤いドレスの", "スーツ姿の", "着物の", "白い羽の", "鋭い歯の", "毛の長い"),
)
# Between commas, after everything else or before it
TAGS = (
    *(
        "masterpiece",
        "best quality",
        "high quality",
        "highly detailed",
        "ultra detailed",
        "detailed",
    ),
    *("4k", "8k", "HD", "high resolution", "sharp focus", "cinematic lighting", "soft light"),
    *("trending on artstation", "award winning", "realistic", "photorealistic", "digital art"),
    *("concept art", "3D render", "cartoon", "anime style", "cartoon style", "minimalist"),
    *("vibrant colors", "beautiful lighting", "close up", "wide shot", "side view", "full body"),
    *("intricate", "unreal engine", "octane render", "studio lighting", "bokeh", "watercolor"),
    *("oil painting", "in the style of van gogh", "studio ghibli style", "fantasy", "dramatic"),
    *("no people", "no text", "no watermark", "without text", "not blurry", "simple", "beautiful"),
    *("cute", "kawaii", "colorful", "smile", "happy", "looking at viewer", "solo", "centered"),
    *("horror", "epic", "moody", "bright", "pastel", "cozy", "peaceful", "children's book"),
    *("stock photo", "professional photo", "film grain", "depth of field", "volumetric light"),
)
TAGS_JA = (
    *(
        "高画質",
        "高解像度",
        "最高品質",
        "傑作",
        "超高画質",
        "4K",
        "8K",
        "美麗",
        "精細",
        "高精細",
        "詳細",
    ),
    *(
        "リアル",
        "アニメ風",
        "写実的",
        "ファンタジー",
        "カラフル",
        "鮮やか",
        "幻想的",
        "水彩画",
        "油絵",
    ),
    *("水彩画風", "油絵風", "かわいい", "可愛い", "笑顔", "きれい", "綺麗", "シンプル", "文字なし"),
    *("人物なし", "ぼかしなし", "アップ", "全身", "正面", "横顔", "一人", "やわらかい光", "逆光"),
    *(
        "映画風",
        "ジブリ風",
        "ゴッホ風",
        "絵本風",
        "レトロ",
        "パステルカラー",
        "明るい",
        "暗い",
        "神秘的",
    ),
    *(
        "プロの写真",
        "超リアル",
        "背景ぼかし",
        "ポップ",
        "ほのぼの",
        "おしゃれ",
        "最高画質",
        "高品質",
    ),
)
# Around everything
FRAMES = (
    *(
        "draw {x}",
        "please draw {x}",
        "draw me {x}",
        "can you draw {x}?",
        "I want {x}",
        "show me {x}",
    ),
    *("create an image of {x}", "generate a picture of {x}", "give me a photo of {x}", "make {x}"),
    *("I'd like to see {x}", "there is {x}", "imagine {x}", "this is {x}", "an image showing {x}"),
    *("a scene with {x}", "could you paint {x}?", "I want a picture of {x}", "a view of {x}"),
    *("create a picture of {x}", "{x} please", "a drawing of {x}", "I need {x}", "let me see {x}"),
)
FRAMES_JA = (
    *("{x}を描いて", "{x}を描いてください", "{x}の絵を描いて", "{x}の絵", "{x}の写真", "{x}の画像"),
    *("{x}を見せて", "{x}が見たい", "{x}をお願いします", "{x}を作って", "{x}の画像を生成して"),
    *("{x}の写真をください", "{x}を描いてほしい", "{x}のイラストを作って", "{x}をください"),
    *("{x}の絵を描いてください", "{x}を生成して", "{x}が欲しい", "{x}です", "{x}のある風景"),
)
# The same around what ends in a verb
FRAMES_OF_SENTENCE_JA = (
    *("{x}ところ", "{x}絵", "{x}写真", "{x}様子", "{x}絵を描いて", "{x}絵を描いてください"),
    *("{x}画像", "{x}イラスト", "{x}ところを描いて", "{x}シーン", "{x}風景"),
)


def one(rng: Rng, things: Sequence[ThingT]) -> ThingT:
    """Any of them."""
    return things[int(rng.random() * len(things))]


def usual(rng: Rng, words: Sequence[str]) -> str:
    """One of several names: the first most of the time."""
    return words[0] if rng.random() < 0.6 else one(rng, words)


def some(rng: Rng, words: Sequence[str], most: int) -> list[str]:
    """One of them to `most`, rather fewer than many."""
    return list(dict.fromkeys(one(rng, words) for _ in range(1 + int(rng.random() ** 2 * most))))
