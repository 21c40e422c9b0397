# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Stable Diffusion を動かして、中身まで理解する
#
# English: `stable_diffusion_en.ipynb`
#
# Stable Diffusion は、文章から画像を作るモデルです。このノートブックでは、まず Stable Diffusion を使い、次に部品に分解し、最後に自分の手で組み立て直します。使うのは、Stable Diffusion を Python で実装したライブラリー kakusan（拡散）です。Python を少し書いたことがあれば読めます。数学は、足し算と掛け算だけで足ります。
#
# GPU のないノートパソコンでもこのまま動き、アカウントもアクセストークンも、重みのダウンロードも要りません。kakusan には、128×128 ピクセルの簡単な場面を描く小さなモデルが内蔵されているからです。GPU があれば、あとで出てくる変数を 1 つ書き換えるだけで、広く知られた Stable Diffusion v1.4 に切り替えられます。
#
# セルは上から順に実行してください。セルをクリックして Shift+Enter を押すと実行できます。
#
# 1. [実行環境の確認とインストール](#1.-実行環境の確認とインストール)
# 2. [パイプライン](#2.-パイプライン)：最初の画像、シード、推論ステップ、ガイダンス、複数の画像、縦長と横長
# 3. [Stable Diffusion とは](#3.-Stable-Diffusion-とは)：オートエンコーダー、U-Net、テキストエンコーダー、潜在表現を使うと速い理由
# 4. [中をのぞく](#4.-中をのぞく)：ステップごとの画像と、それぞれの単語が見ている場所
# 5. [パイプラインを手で書く](#5.-パイプラインを手で書く)
# 6. [画像で導く](#6.-画像で導く)：画像から画像へ、マスク、ControlNet

# %% [markdown]
# ## 1. 実行環境の確認とインストール
#
# 次のセルは、kakusan がまだ入っていなければインストールします。入っていれば、何も表示されません。このノートブックが clone したリポジトリの中にあれば、そこからインストールします。そうでなければパッケージインデックスから、まだ公開されていなければリポジトリからインストールします。PyTorch も一緒に入るので、数分かかります。Google Colab で GPU を使うときは、先に「ランタイム」→「ランタイムのタイプを変更」で GPU を選びます。内蔵モデルだけなら GPU は要りません。
#
# - `find_spec("kakusan")` … パッケージを読み込まずに探します。見つからなければ `None` を返します。
# - `[inspect]` … 図や進捗バーに必要なライブラリーも一緒に入れる指定です。
# - `subprocess.run([sys.executable, "-m", "pip", "install", ...])` … このノートブックを動かしている Python の pip を実行します。

# %%
import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = "https://git.example.org/kakusan/kakusan"
sources = ["kakusan[inspect]", f"kakusan[inspect] @ git+{REPOSITORY}"]
if Path("../hatch_build.py").exists():  # this notebook lies in a clone
    sources.insert(0, "..[inspect]")
for source in sources:
    if find_spec("kakusan") is None:
        print("installing", source)
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", source])
        importlib.invalidate_caches()
if find_spec("kakusan") is None:
    print("kakusan is not installed; pip says above why")

# %% [markdown]
# このマシンの性能と、計算に使われるものを見てみましょう。`!` で始まる行は、Python ではなくコマンドラインで実行されます。`{sys.executable}` は、このノートブックを動かしている Python のことです。`kakusan doctor` は、プロセッサー、メモリー、GPU と、このマシンで速く計算できる精度を調べて表示します。（NVIDIA の GPU があれば、`!nvidia-smi` でさらに詳しい情報を見られます。）

# %%
import sys

# !{sys.executable} -m kakusan doctor

# %% [markdown]
# 次のセルで、以降のすべてを左右する変数を決めます。
#
# - `MODEL` … 使うモデルです。`"builtin"` は内蔵の小さなモデル、`"CompVis/stable-diffusion-v1-4"` は公開されているモデルで、初回だけ約 4 GB をダウンロードします。
# - `torch.cuda.is_available()` … PyTorch から使える NVIDIA の GPU があれば真になります。そのとき `DEVICE` は `"cuda"`、なければ CPU を表す `"cpu"` です。
# - `DTYPE` … 重みを持つときの数値の型です。1 つの数を 16 ビットで表す `float16` なら、メモリーは半分で済み、GPU では計算も速くなります。CPU では `float32` を使います（16 ビットでも動きます）。
# - `LANGUAGE` … 図の中の言葉です。`"ja"` なら日本語、`"en"` なら英語になります（日本語のフォントがないマシンでは、`"ja"` でも英語になります）。

# %%
import torch

MODEL = "builtin"  # or "CompVis/stable-diffusion-v1-4"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPE = torch.float16 if DEVICE == "cuda" else torch.float32
LANGUAGE = "ja"
MODEL, DEVICE, DTYPE, LANGUAGE

# %% [markdown]
# ## 2. パイプライン
#
# `StableDiffusionPipeline` は、文章から画像までの処理を 1 つにまとめたものです。
#
# - `from_pretrained(MODEL, ...)` … 学習済みモデルの部品をすべて読み込みます。フォルダー、Hugging Face Hub の名前、`"builtin"` のいずれかを渡せます。
# - `torch_dtype=DTYPE` … 重みの型を指定します。
# - `pipe.to(DEVICE)` … 計算する場所（GPU または CPU）に重みを移します。
# - `set_progress_bar_config(leave=False)` … 画像ができあがったら、進捗バーを消します。

# %%
from kakusan import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained(MODEL, torch_dtype=DTYPE)
pipe = pipe.to(DEVICE)
pipe.set_progress_bar_config(leave=False)

# %% [markdown]
# ### 最初の画像
#
# - `prompt` … 描いてほしいものを書いた文章（プロンプト）です。
# - `pipe(prompt)` … 画像を生成します。実行中は、ステップの進み具合がバーで表示されます。
# - 返ってくるものの `.images` が画像のリストで、`[0]` はその最初の 1 枚です。画像は、Python で広く使われているライブラリー PIL の `Image` です。
# - `image.save(...)` … ファイルに保存します。セルの最後の行に書いた値はセルの下に表示されるので、`image` と書けば画像が見えます。

# %%
prompt = "a photograph of an astronaut riding a horse"
image = pipe(prompt).images[0]
image.save("astronaut_rides_horse.png")
image

# %% [markdown]
# 別のプロンプトも試しましょう。描いてほしいことをカンマで区切って並べても構いません。文章を変えて、もう一度実行してみてください。内蔵モデルが知っているのは 160 種類のものと 15 の場所だけなので、その範囲で頼むのがこつです。v1.4 なら、`"a light brown tabby cat, tea time, flying in the blue sky, manga"`（空を飛ぶ薄茶のトラ猫、お茶の時間、漫画風）のような頼み方もできます。

# %%
image = pipe("a tabby cat and tea, blue sky").images[0]
image

# %% [markdown]
# 内蔵モデルは日本語も読めます。（v1.4 は英語の説明文で学習したモデルなので、日本語はほとんど通じません。）

# %%
image = pipe("青い猫、夜空").images[0]
image

# %% [markdown]
# 内蔵モデルが学習していない単語を書いても、エラーにはなりません。知っているものだけで描き、知らない単語を 1 行で知らせます。よく似た単語を知っていれば、それも示します。思いがけない画像になったら、まずこの行を見てください。
#
# （v1.4 などの公開モデルには、学習した単語の一覧がないので、この行は出ません。）

# %%
image = pipe("a red griffin and a catt").images[0]
image

# %% [markdown]
# ### シード
#
# 同じセルを 2 回実行すると、違う画像になります。どの画像もランダムなノイズから始まり、ノイズが変われば画像も変わるからです。コンピューターの乱数は、**シード**と呼ばれる出発点の数から計算で作られます。シードが同じならノイズも同じで、画像も同じになります。
#
# - `torch.Generator(DEVICE)` … 乱数生成器を作ります。
# - `.manual_seed(1024)` … シードを決めます。整数なら何でも構いません。
# - `generator=generator` … パイプラインに、この生成器からノイズを作らせます。

# %%
generator = torch.Generator(DEVICE).manual_seed(1024)
image = pipe(prompt, generator=generator).images[0]
image

# %% [markdown]
# `seed=1024` と書けば、生成器を作らなくてもシードを指定できます。このときのノイズは常に CPU で作られるので、どのマシンでも同じになります（GPU では、GPU の生成器を使った上のセルとは違う画像になります）。呼び出しの結果をそのまま表示すると、画像の下にシードも出ます。

# %%
pipe(prompt, seed=1024)

# %% [markdown]
# ### 推論ステップ
#
# ノイズは、何回かのステップに分けて取り除かれます。その回数が `num_inference_steps` です。増やすほど時間がかかり、ある回数を超えると、見てわかる違いはなくなります。`experiment` は、同じプロンプトと同じシードのまま設定だけを変えて描き、結果を並べて表示します。
#
# - `x={"steps": [...]}` … 左から右へ、ステップ数を変えます。
# - `model=` と `seed=` … 変えないものです。

# %%
from kakusan.inspect import experiment

experiment(prompt, x={"steps": [2, 4, 8, 15, 25]}, model=MODEL, seed=1024, language=LANGUAGE)

# %% [markdown]
# ### ガイダンス
#
# `guidance_scale` は、プロンプトにどれだけ厳密に従うかを表す数です。1 なら、ネットワークの予測をそのまま使います。1 より大きくすると、プロンプトによって生まれた違いを強調します。はじめは画像がプロンプトに合ってきますが、大きくしすぎると色がきつくなり、どの画像も似てきます。ちょうどよい値はモデルによって違い、v1.4 では 7.5、小さなモデルではもっと小さな値です。仕組みは 5 章で説明します。

# %%
experiment(prompt, x={"guidance": [1, 2, 4, 7.5, 15]}, model=MODEL, seed=1024, language=LANGUAGE)

# %% [markdown]
# ### 複数の画像をグリッドに並べる
#
# 画像を並べて 1 枚にする関数を書きます。（`kakusan.image_grid` も同じ働きをします。）
#
# - `assert` … 画像の枚数が合わなければ、エラーで止めます。
# - `Image.new` … 横に `cols` 枚、縦に `rows` 枚が入る大きさの、空の画像を作ります。
# - `enumerate` … 画像を 0 から数えながら取り出します。割り算の余り `i % cols` が列、商の整数部分 `i // cols` が行です。それぞれに幅と高さを掛けると、`paste` で貼り付ける位置（左上の角）になります。

# %%
from PIL import Image


def image_grid(imgs, rows, cols):
    assert len(imgs) == rows * cols
    w, h = imgs[0].size
    grid = Image.new("RGB", size=(cols * w, rows * h))
    for i, img in enumerate(imgs):
        grid.paste(img, box=(i % cols * w, i // cols * h))
    return grid


# %% [markdown]
# まず 1 行 3 列です。`[...] * num_images` は同じプロンプトを 3 つ並べたリストで、パイプラインはプロンプトごとに 1 枚を描きます。このプロンプトには場所が書かれていないので、場所はノイズ次第です。シードが 3 つあれば、場所も 3 通りになります。

# %%
num_images = 3
prompts = ["a rocket"] * num_images
images = pipe(prompts, seed=7).images
image_grid(images, rows=1, cols=num_images)

# %% [markdown]
# 次は 4 行 3 列です。1 行ごとにパイプラインを呼び出し、できた画像を 1 つのリストに集めます。
#
# - `for i in range(num_rows)` … `i` を 0、1、2、3 と変えながら、中身を繰り返します。
# - `extend` … その行の画像をリストに加えます。
# - `seed=num_cols * i` … シードを指定すると、1 回の呼び出しの *k* 番目（0 から数えます）の画像のシードは、そこから *k* だけ大きくなります。これで、0 から 11 までのシードを使うことになります。

# %%
num_cols, num_rows = 3, 4
prompts = ["a house"] * num_cols
all_images = []
for i in range(num_rows):
    all_images.extend(pipe(prompts, seed=num_cols * i).images)
image_grid(all_images, rows=num_rows, cols=num_cols)

# %% [markdown]
# ### 縦長と横長
#
# `height`（高さ）と `width`（幅）はピクセル数で、8 の倍数にします。モデルが最もよく描けるのは、学習したときの大きさです（内蔵モデルは 128、v1.4 は 512）。小さくすると画質が落ち、縦横とも大きくすると同じものが繰り返し現れます。その大きさの画像全体をどう構成すればよいかを、モデルは学習していないからです。そこで、片方の辺はそのままにして、もう片方だけを長くします。
#
# - `pipe.unet.config.sample_size * pipe.vae.scale_factor` … モデル本来の 1 辺のピクセル数です。

# %%
side = pipe.unet.config.sample_size * pipe.vae.scale_factor
landscape = pipe("two boats in the sea", height=side, width=side * 3 // 2, seed=3).images[0]
landscape

# %%
portrait = pipe("a rocket in space", height=side * 3 // 2, width=side, seed=3).images[0]
portrait

# %% [markdown]
# ## 3. Stable Diffusion とは
#
# **拡散モデル**は、ノイズを取り除くことを学んだモデルです。学習では、画像にノイズを加え、加えたノイズをネットワークに当てさせます。描くときは、ノイズだけの状態から始めて、ネットワークに少しずつノイズを取り除かせます。雲の中に動物の形を見つけるように、もともと画像のなかったところに画像を見いだすのです。何を見いだすかは、文章で伝えます。
#
# これをピクセルのままで行うと、とても時間がかかります。Stable Diffusion は**潜在拡散モデル**で（[Rombach ら、2022 年](https://arxiv.org/abs/2112.10752)）、画像をずっと小さく表した「潜在表現」からノイズを取り除きます。働くのは、次の 3 つのネットワークです。
#
# 1. **オートエンコーダー**（VAE）：画像を潜在表現に変え、潜在表現を画像に戻します。
# 2. **U-Net**：潜在表現からノイズを取り除きます。
# 3. **テキストエンコーダー**：文章を、何を描くべきかを U-Net に伝える数値に変えます。Stable Diffusion では、画像と説明文の組で学習した CLIP のテキストエンコーダーを使います。

# %% [markdown]
# ### オートエンコーダー
#
# エンコーダーは画像を潜在表現に変え、デコーダーは潜在表現を画像に戻します。画像を生成するときに必要なのは、デコーダーだけです。エンコーダーは、学習のときや、すでにある画像を描き変えるときに使います。画像を潜在表現に変えて、また戻してみましょう。
#
# - `np.asarray(image)` … 画像を 0 から 255 までの数の配列にします。127.5 で割って 1 を引くと、ネットワークが受け取る −1 から 1 の範囲になります。
# - `permute(2, 0, 1)` … 色の軸を先頭に移します。`[None]` は、その前にバッチの軸を加えます。形は (1, 3, 高さ, 幅) です。
# - `torch.no_grad()` … 学習はしないと伝えます。その分、メモリーが節約できます。
# - `vae.encode(...).latent_dist.mode()` … エンコーダーの答えは確率分布で、`mode()` はその中で最も確からしい潜在表現です。

# %%
import numpy as np

pixels = torch.from_numpy(np.asarray(image) / 127.5 - 1).permute(2, 0, 1)[None]
pixels = pixels.to(DEVICE, DTYPE)
with torch.no_grad():
    picture_latents = pipe.vae.encode(pixels).latent_dist.mode()
pixels.shape, picture_latents.shape, f"{pixels.numel() / picture_latents.numel():.0f} to 1"

# %% [markdown]
# 1 辺の長さは 8 分の 1 になり、色の 3 チャンネルの代わりに、v1.4 では 4、内蔵モデルでは 8 のチャンネルがあります。チャンネルごとに見てみると、元の画像の形がわかります。

# %%
from kakusan.inspect import latent_channels

latent_channels(picture_latents, language=LANGUAGE)

# %% [markdown]
# 今度は画像に戻します。`.sample` が復元された画像で、値は −1 から 1 です。半分にして 0.5 を足すと 0 から 1 になり、はみ出した値は `clamp` で切りそろえます。左が元の画像、右が戻した画像です。ほとんど同じに見えるのは、オートエンコーダーが、目に見えるものを残して、それ以外を捨てているからです。

# %%
def to_pil(decoded):
    decoded = (decoded / 2 + 0.5).clamp(0, 1)
    arrays = decoded.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray((array * 255).round().astype("uint8")) for array in arrays]


with torch.no_grad():
    decoded = pipe.vae.decode(picture_latents).sample
image_grid([image, to_pil(decoded)[0]], rows=1, cols=2)

# %% [markdown]
# ### U-Net
#
# U-Net は、ノイズの混ざった潜在表現、タイムステップ（ノイズがどれだけあるか）、そして文章（次に説明する埋め込み）を受け取り、潜在表現と同じ形のテンソルを返します。そこからノイズを計算できます。前半では、潜在表現を縮めながら、何がどこにあるかを捉えます。後半では元の大きさに戻し、縮めるときに失われる細部は、前半から後半への近道（スキップ接続）で渡します。図に描くと U の字になるので、この名前があります。畳み込みの間には**クロスアテンション**の層があり、画像のそれぞれの場所が、ここで文章の単語を参照します。
#
# - `sum(p.numel() for p in ...)` … ネットワークが持つ数（パラメーター）を数えます。

# %%
def millions(network):
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


for name in ("unet", "vae", "text_encoder"):
    print(f"{name:13} {millions(getattr(pipe, name)):7.1f} million parameters")

# %% [markdown]
# ### テキストエンコーダー
#
# ネットワークは、文字をそのままでは読めません。トークナイザーが文章を**トークン**（単語、または単語の一部）に分け、それぞれを番号に変えます。テキストエンコーダーは、トークンごとに、この文章の中での意味を表す数の並び（埋め込み）を作ります。Stable Diffusion のテキストエンコーダーは U-Net と一緒に学習したのではなく、先に学習を終えたものを、そのまま使っています。
#
# `read_prompt` は、トークンとその番号を表示します。長すぎるときは、切り捨てられる部分も示します。

# %%
from kakusan.inspect import read_prompt

print(read_prompt(pipe.tokenizer, prompt))

# %% [markdown]
# ### 潜在表現を使うと速い理由
#
# 計算の大部分は U-Net が行い、入力が大きいほど計算は増えます。実際に測ってみましょう。通常の大きさの潜在表現と、1 辺を 2 倍、4 倍にした潜在表現で、1 ステップにかかる時間を比べます。
#
# - `time_unet` は U-Net を 2 回呼び出し、2 回目にかかった時間を返します。最初の 1 回だけに必要な準備を含めないためです。
# - `torch.cuda.synchronize()` … GPU の計算が終わるのを待ちます。GPU は、Python が次の行に進んだあとも計算を続けているからです。

# %%
import time


def time_unet(side):
    x = torch.randn(1, pipe.unet.config.in_channels, side, side, device=DEVICE, dtype=DTYPE)
    for _ in range(2):
        began = time.perf_counter()
        with torch.no_grad():
            pipe.unet(x, 500, text_embedding)
        if DEVICE == "cuda":
            torch.cuda.synchronize()
    return time.perf_counter() - began


text_embedding = pipe.encode_texts([prompt])
usual = pipe.unet.config.sample_size
seconds = {factor: time_unet(usual * factor) for factor in (1, 2, 4)}
for factor, measured in seconds.items():
    print(f"latents of {usual * factor}×{usual * factor}: {1000 * measured:7.1f} ms a step")

# %% [markdown]
# 1 辺を 4 倍にすると、場所の数は 16 倍になり、畳み込みの計算量も 16 倍になります。すべての場所どうしを比べるセルフアテンションの計算量は、256 倍（16 の 2 乗）です。（内蔵モデルでは、時間はそれほど増えません。入力が小さいうちは、大きさに関係なくかかる時間の割合が大きいからです。）もし潜在表現を使わず、ピクセルのままで計算するなら、1 辺は **8 倍**で、それを毎ステップ繰り返すことになります。数 GB のメモリーしかない GPU で Stable Diffusion が動くのは、潜在表現のおかげです。

# %% [markdown]
# ## 4. 中をのぞく
#
# ここまでをまとめると、画像は次のように作られます。まず、テキストエンコーダーがプロンプトを読みます。次に、最初の潜在表現を乱数で用意します。そこから U-Net と**スケジューラー**（ノイズの取り除き方を決める規則）が 1 ステップずつノイズを取り除き、最後にデコーダーが潜在表現を画像に戻します。
#
# `denoising` は、画像を描きながら、「最後にはこうなる」というネットワークの予想を、ステップごとに残します。はじめは、どこが明るくなるかという程度しか決まっておらず、細部は最後に現れます。

# %%
from kakusan.inspect import denoising

steps = denoising(pipe, prompt, seed=1024, language=LANGUAGE)
steps

# %% [markdown]
# `watch` を使うと、画像ができていく様子を、描いている最中に 1 か所で見られます。最後のステップまで表示されるのは、デコーダーを使わない粗いプレビューです。行末のセミコロンは、完成した画像がもう一度表示されるのを防ぎます。`steps.animation("steps.gif")` と書けば、アニメーションとして保存できます。

# %%
from kakusan.inspect import watch

watch(pipe, prompt, seed=1024);

# %% [markdown]
# 画像のそれぞれの場所は、どの単語を見ているのでしょうか。`attention_maps` は、クロスアテンションの層が各トークンに向けた注意の強さを記録します。明るいほど強く、暗いほど弱いことを表し、すべての層とステップを平均しています。

# %%
from kakusan.inspect import attention_maps

maps = attention_maps(pipe, "a cat to the left of a house", seed=5)
maps

# %% [markdown]
# 1 つの単語について、最初のステップから最後のステップまでを並べます。物の場所は、早いうちに決まります。

# %%
maps.by_step("house")

# %% [markdown]
# それぞれのタイムステップで、ノイズはどれだけあるのでしょうか。また、ノイズ（左）から画像（右）までの途中で、各スケジューラーはどのタイムステップを通るのでしょうか。

# %%
from kakusan.inspect import schedules

names = ["pndm", "lms", "heun", "euler-a", "dpmpp-2m uniform", "dpmpp-2m"]
schedules(pipe, names, language=LANGUAGE)

# %% [markdown]
# 同じシードで、スケジューラーだけを変えて描きます。はじめの 4 つは、同じノイズから同じ目的地へ向かう別の道なので、画像はよく似ています。`euler-a` は、ステップごとに新しいノイズを加えるので、違う画像になります。

# %%
names = ["pndm", "lms", "heun", "dpmpp-2m", "euler-a"]
experiment(prompt, x={"scheduler": names}, model=MODEL, seed=1024, language=LANGUAGE)

# %% [markdown]
# あるプロンプトから別のプロンプトへ、埋め込みを混ぜる割合を少しずつ変えながら描くこともできます。

# %%
from kakusan.inspect import walk

walk(pipe, "a cat on a red background", "a dog on a blue background", pictures=7, seed=4)

# %% [markdown]
# ## 5. パイプラインを手で書く
#
# ここからは、パイプラインがしていることを、部品を 1 つずつ使って自分で書きます。`subfolder=` は、モデルのどのフォルダーにその部品があるかを指定します。
#
# - `AutoencoderKL` … オートエンコーダーです。
# - `CLIPTokenizer` と `CLIPTextModel` … トークナイザーとテキストエンコーダーです。必ず組で使います。
# - `UNet2DConditionModel` … U-Net です。名前は、2 次元で、文章による条件付けができることを表しています。

# %%
from kakusan import AutoencoderKL, CLIPTextModel, CLIPTokenizer, UNet2DConditionModel

vae = AutoencoderKL.from_pretrained(MODEL, subfolder="vae")
tokenizer = CLIPTokenizer.from_pretrained(MODEL, subfolder="tokenizer")
text_encoder = CLIPTextModel.from_pretrained(MODEL, subfolder="text_encoder")
unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet")

# %% [markdown]
# スケジューラーは、モデルに付いているものの代わりに **K-LMS** を使います。Katherine Crowson が拡散モデルに取り入れた、線形多段法という方法です。ノイズの量の決め方（ノイズスケジュール）は、モデルのフォルダーから読み込みます。

# %%
from kakusan import LMSDiscreteScheduler

scheduler = LMSDiscreteScheduler.from_pretrained(MODEL, subfolder="scheduler")

# %%
vae = vae.to(DEVICE)
text_encoder = text_encoder.to(DEVICE)
unet = unet.to(DEVICE)

# %% [markdown]
# 描くものを決めます。
#
# - `height`、`width` … モデル本来の大きさにします。
# - `num_inference_steps` … ノイズを何ステップで取り除くかです。
# - `guidance_scale` … プロンプトにどれだけ厳密に従うかです（あとで説明します）。
# - `generator` … 最初のノイズを作る乱数生成器と、そのシードです。
# - `batch_size` … リストのプロンプト 1 つにつき 1 枚です。

# %%
prompt = ["a photograph of an astronaut riding a horse"]
height = width = unet.config.sample_size * vae.scale_factor
num_inference_steps = 30
guidance_scale = 4.0
generator = torch.manual_seed(32)
batch_size = len(prompt)

# %% [markdown]
# ### テキストの埋め込み
#
# - `padding="max_length"` … トークンの列を、テキストエンコーダーが受け取る長さになるまで、パディング用のトークンで埋めます。`truncation=True` は、長すぎる分を切り捨てる指定です。
# - `return_tensors="pt"` … PyTorch のテンソルで受け取ります。`input_ids` がトークンの番号です。
# - `text_encoder(...)[0]` … 埋め込みです。プロンプトごと、トークンごとに、数の並びが 1 つあります。

# %%
text_input = tokenizer(
    prompt,
    padding="max_length",
    max_length=tokenizer.model_max_length,
    truncation=True,
    return_tensors="pt",
)
with torch.no_grad():
    text_embeddings = text_encoder(text_input.input_ids.to(DEVICE))[0]
text_embeddings.shape

# %% [markdown]
# **分類器なしガイダンス**には、空のプロンプトの埋め込みも必要です。学習のとき、一部の説明文をわざと空にしたので、同じネットワークが、文章のある場合とない場合の両方を学んでいます。そこで、ステップごとに両方の予測を求め、文章によって変わった方向へ、さらに大きく進めます。
#
# $$\text{noise} = \text{noise}_\text{without} + w \cdot (\text{noise}_\text{with} - \text{noise}_\text{without})$$
#
# $w$ がガイダンスの強さ（guidance scale）です（[Ho & Salimans、2022 年](https://arxiv.org/abs/2207.12598)）。$w = 1$ なら、文章のある場合の予測だけが残ります。「分類器なし」と呼ぶのは、それまでの方法では、このために分類器という別のネットワークが必要だったからです。

# %%
max_length = text_input.input_ids.shape[-1]
uncond_input = tokenizer(
    [""] * batch_size, padding="max_length", max_length=max_length, return_tensors="pt"
)
with torch.no_grad():
    uncond_embeddings = text_encoder(uncond_input.input_ids.to(DEVICE))[0]

# %% [markdown]
# このままでは、ステップごとに U-Net を 2 回呼び出すことになります。`torch.cat` で 1 つのバッチにまとめれば、1 回で済みます。

# %%
text_embeddings = torch.cat([uncond_embeddings, text_embeddings])
text_embeddings.shape

# %% [markdown]
# ### 最初のノイズ
#
# - `torch.randn` … 平均 0、標準偏差 1 の乱数を、潜在表現の形 (枚数, チャンネル数, 高さ, 幅) で作ります。潜在表現の 1 辺は画像の 8 分の 1 なので、高さと幅を `vae.scale_factor`（8）で割ります。

# %%
latents = torch.randn(
    (batch_size, unet.config.in_channels, height // vae.scale_factor, width // vae.scale_factor),
    generator=generator,
)
latents = latents.to(DEVICE)
latents.shape

# %% [markdown]
# スケジューラーは、タイムステップと、それぞれのノイズの強さ（シグマ）を計算します。シグマは、ノイズのない潜在表現の標準偏差をほぼ 1 としたときの、ノイズの標準偏差です。K-LMS の潜在表現はこの強さのノイズから始まるので、標準偏差 1 の乱数に最初のシグマを掛けておきます。

# %%
scheduler.set_timesteps(num_inference_steps)
latents = latents * scheduler.init_noise_sigma
scheduler.init_noise_sigma

# %% [markdown]
# ### ノイズ除去のループ
#
# ノイズの多いほうから少ないほうへ、タイムステップ `t` ごとに次のことを行います（`tqdm` は進み具合をバーで表示します）。
#
# 1. `torch.cat([latents] * 2)` … 潜在表現を 2 つ並べます。空のプロンプト用と、描きたいプロンプト用です。
# 2. `scale_model_input` … 潜在表現を、U-Net が学習で見ていた強さにそろえます。K-LMS では、潜在表現の値がそれより大きいためです。
# 3. `unet(...)` … 文章（`encoder_hidden_states`）を参照しながら予測します。
# 4. `chunk(2)` … バッチを 2 つに分け、文章の方向へさらに進めます。
# 5. `scheduler.step` … ノイズを一部取り除きます。`prev_sample` が、次のタイムステップの潜在表現です。

# %%
from tqdm.auto import tqdm

for t in tqdm(scheduler.timesteps):
    latent_model_input = torch.cat([latents] * 2)
    latent_model_input = scheduler.scale_model_input(latent_model_input, t)
    with torch.no_grad():
        noise_pred = unet(latent_model_input, t, encoder_hidden_states=text_embeddings).sample
    noise_pred_uncond, noise_pred_text = noise_pred.chunk(2)
    noise_pred = noise_pred_uncond + guidance_scale * (noise_pred_text - noise_pred_uncond)
    latents = scheduler.step(noise_pred, t, latents).prev_sample

# %% [markdown]
# ### 画像に戻す
#
# U-Net が扱う潜在表現は、標準偏差がほぼ 1 です。オートエンコーダーが作る潜在表現の標準偏差は、1 とは限りません。そこで、学習のときは、エンコーダーの出力に `scaling_factor`（v1.4 では 0.18215）を掛けてから U-Net に渡しています。画像に戻すときは、逆にこの数で割ります。

# %%
with torch.no_grad():
    decoded = vae.decode(latents / vae.config.scaling_factor).sample
image = to_pil(decoded)[0]
image

# %% [markdown]
# これですべてです。トークン、埋め込み、ノイズ、ループ、デコーダー。ここから先は、次のようなことも試してみてください。
#
# - `LMSDiscreteScheduler` を別のスケジューラーに替える。ループの途中で `guidance_scale` を変える。
# - 各ステップの `latents` を取っておき、画像に戻して見る。
# - GPU のあるマシンで、`MODEL` を `"CompVis/stable-diffusion-v1-4"` にして、最初から実行する。

# %% [markdown]
# ## 6. 画像で導く
#
# プロンプトは「何を」描くかを伝えますが、「どこに、どんな形で」はほとんど伝えられません。それを伝えるのが画像です。画像は、ループの 3 か所で使えます。描き始めの状態として、変えずに残す部分として、そして、ステップごとに別のネットワークが見る手がかりとしてです。U-Net そのものは何も変わりません。
#
# そこで、この 3 か所に手を加えられるように、ループを関数に書き直します。スケジューラーは **DDIM** にします。1 ステップの計算がその時点の潜在表現だけで決まるので、途中のどこからでも始められます。
#
# - `begin` … 最初に実行するステップの番号です。
# - `beside` … U-Net の前に呼ばれる関数で、U-Net に渡す追加の情報を返します。
# - `after` … ステップの後に呼ばれる関数で、潜在表現を書き換えられます。

# %%
from kakusan import DDIMScheduler

scheduler = DDIMScheduler.from_pretrained(MODEL, subfolder="scheduler")
scheduler.set_timesteps(25)


def embed(text):
    tokens = tokenizer(["", text], padding="max_length", truncation=True, return_tensors="pt")
    with torch.no_grad():
        return text_encoder(tokens.input_ids.to(DEVICE))[0]


def denoise(latents, text, begin=0, beside=None, after=None):
    embeddings = embed(text)
    for i in range(begin, len(scheduler.timesteps)):
        t = scheduler.timesteps[i]
        twice = torch.cat([latents] * 2)
        more = {} if beside is None else beside(twice, t, embeddings)
        with torch.no_grad():
            noise_pred = unet(twice, t, encoder_hidden_states=embeddings, **more).sample
        without, with_text = noise_pred.chunk(2)
        noise_pred = without + guidance_scale * (with_text - without)
        latents = scheduler.step(noise_pred, t, latents).prev_sample
        if after is not None:
            latents = after(latents, i)
    return latents


def to_latents(picture):
    pixels = torch.from_numpy(np.asarray(picture) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.no_grad():
        found = vae.encode(pixels.to(DEVICE, vae.dtype)).latent_dist.mode()
    return found * vae.config.scaling_factor


def to_picture(latents):
    with torch.no_grad():
        return to_pil(vae.decode(latents / vae.config.scaling_factor).sample)[0]


# %% [markdown]
# ### 画像から画像へ
#
# ふつうは、最初のタイムステップで、ノイズだけの状態から描き始めます。ところが U-Net には、目の前のノイズ混じりの潜在表現がどうやってできたのかは分かりません。それなら、手元の画像に「途中の」タイムステップと同じ量のノイズを混ぜて、そこから続きを描かせることもできるはずです（[Meng ほか、2021 年](https://arxiv.org/abs/2108.01073)）。ノイズに埋もれずに残ったものは引き継がれ、埋もれたものは新しく描かれます。img2img の仕組みはこれだけで、つまり**ノイズ除去の途中から始める**ということです。どこまでさかのぼるかを表すのが `strength` です。
#
# - `scheduler.add_noise(picture, noise, timestep)` … そのタイムステップと同じ割合で、画像とノイズを混ぜます。
#
# 上の段は描き始めの状態（`strength` は左から 0.1～1）、下の段は、そこから「a fox, meadow」で描いた結果です。

# %%
cat = pipe("a cat on a red background", seed=7).images[0]
cat_latents = to_latents(cat)
noise = torch.randn(cat_latents.shape, generator=torch.manual_seed(7)).to(DEVICE)

beginnings, results = [], []
for strength in (0.1, 0.2, 0.3, 0.4, 0.7, 1.0):
    begin = len(scheduler.timesteps) - int(len(scheduler.timesteps) * strength)
    noised = scheduler.add_noise(cat_latents, noise, scheduler.timesteps[begin : begin + 1])
    beginnings.append(to_picture(noised))
    results.append(to_picture(denoise(noised, "a fox, meadow", begin)))
image_grid(beginnings + results, rows=2, cols=6)

# %% [markdown]
# 0.1 では猫の輪郭が残っていて、キツネはその形に合わせるしかありません。0.3 では位置と暗い地面だけが残り、1 では何も残りません（内蔵モデルは、早い段階ではっきりと絵を決めてしまいます。v1.4 では、もっと大きい 0.5～0.8 あたりが面白いところです）。

# %% [markdown]
# ### マスク
#
# マスクは、変えてよい場所を示します。ステップが終わるたびに、マスクの外側の潜在表現を、元の画像のもので置き換えます。このとき、元の画像には「次の」タイムステップと同じ量のノイズを混ぜておきます。こうすると、内側と外側のノイズの量がいつも同じになります。U-Net は全体を見ているので、新しく描く部分を、残っている部分になじませてくれます。
#
# - `mask` … 1 の場所を新しく描きます。ここでは右半分です。潜在表現の 1 辺は画像の 8 分の 1 なので、マスクもその大きさです。
# - `scheduler.timesteps[i + 1 : i + 2]` … 次のタイムステップです。最後のステップの後には次がないので、元の画像をノイズなしで使います。
#
# 左から順に、元の画像、マスク、そして 1、13、19、22、25 ステップ後の潜在表現です。プロンプトは「a cat to the left of a tree」です。

# %%
scene = pipe("a cat to the left of a house", seed=5).images[0]
scene_latents = to_latents(scene)
mask = torch.zeros_like(scene_latents[:, :1])
mask[..., mask.shape[-1] // 2 :] = 1
on_the_way = []


def keep_the_left(latents, i):
    following = scheduler.timesteps[i + 1 : i + 2]
    old = scheduler.add_noise(scene_latents, noise, following) if len(following) else scene_latents
    latents = mask * latents + (1 - mask) * old
    if i + 1 in (1, 13, 19, 22, 25):
        on_the_way.append(to_picture(latents))
    return latents


denoise(noise, "a cat to the left of a tree", after=keep_the_left)
shown = Image.fromarray((mask[0, 0] * 255).byte().cpu().numpy()).convert("RGB")
image_grid([scene, shown.resize(scene.size, Image.Resampling.NEAREST), *on_the_way], rows=1, cols=7)

# %% [markdown]
# 猫もエンコーダーとデコーダーを通っているので、最後の 1 ピクセルまで同じというわけではありません。`kakusan inpaint` は、最後に新しい部分だけを元の画像に貼り付けるので、ほかの部分は元のまま残ります。

# %% [markdown]
# ### ControlNet
#
# **ControlNet**（[Zhang ほか、2023 年](https://arxiv.org/abs/2302.05543)）は、U-Net の前半の複製で、手がかりになる画像をもう 1 つ見ます。輪郭、奥行き、姿勢などの画像です。U-Net は変えずに、そのとなりで学習させます。学習するのは、前半から後半へ渡されるテンソルに何を「足せば」、手がかりどおりの絵になるかです。この足すものを残差と呼びます。
#
# 内蔵モデルには、輪郭用の ControlNet が付いています。`canny` は、輪郭を黒地に白で取り出します。内蔵モデルはリンゴをいつも「上に 2 つ、下に 1 つ」並べるので、先に画像を上下逆さまにしておきます。

# %%
from kakusan import ControlNetModel
from kakusan.images.edges import canny

CONTROLNET = "builtin" if MODEL == "builtin" else "lllyasviel/sd-controlnet-canny"
controlnet = ControlNetModel.from_pretrained(CONTROLNET).to(DEVICE)
apples = pipe("three red apples", seed=2).images[0].transpose(Image.Transpose.FLIP_TOP_BOTTOM)
edges = canny(np.asarray(apples))
hint = torch.from_numpy(edges / 255).float().expand(2, 3, -1, -1).to(DEVICE)
print(f"{millions(controlnet):.1f} million parameters")
image_grid([apples, Image.fromarray(edges).convert("RGB")], rows=1, cols=2)

# %% [markdown]
# ステップごとに、まず ControlNet を呼び、その答えを U-Net に渡します。
#
# - `hint` … 輪郭の画像です。値は 0～1 で、ガイダンスの 2 つの予測のために 2 枚並べてあります。
# - `down_block_res_samples` … U の字の近道に足す残差です。`mid_block_res_sample` は、U の字の底に足す残差です。
#
# 同じノイズから描いて比べます。上の段が輪郭あり、下の段が輪郭なしです。

# %%
residuals = {}


def look_at_the_edges(latents, t, embeddings):
    with torch.no_grad():
        said = controlnet(latents, t, encoder_hidden_states=embeddings, controlnet_cond=hint)
    residuals[int(t)] = [*said.down_block_res_samples, said.mid_block_res_sample]
    return {
        "down_block_additional_residuals": said.down_block_res_samples,
        "mid_block_additional_residual": said.mid_block_res_sample,
    }


texts = ["three red apples", "three lemons, meadow", "three balloons in the sky"]
steered = [to_picture(denoise(noise, text, beside=look_at_the_edges)) for text in texts]
free = [to_picture(denoise(noise, text)) for text in texts]
image_grid(steered + free, rows=2, cols=len(texts))

# %% [markdown]
# 残差そのものも見てみましょう。明るい場所ほど、強く足しています。行はタイムステップで、上がノイズの多いとき、下が少ないときです。列は U の字の近道で、左が細かいもの、右へ行くほど粗くなり、いちばん右が U の字の底です。

# %%


def strengths(residual):
    strength = residual[-1].float().square().mean(0).sqrt()
    levels = (255 * strength / strength.max()).byte().cpu().numpy()
    return Image.fromarray(levels).convert("RGB").resize((64, 64), Image.Resampling.NEAREST)


rows = [residuals[int(scheduler.timesteps[i])] for i in (0, 8, 16, 24)]
image_grid([strengths(each) for row in rows for each in row], rows=4, cols=len(rows[0]))

# %% [markdown]
# ControlNet が言うことは、どのタイムステップでもほとんど同じです。ここには線がある、ここには何もない、ということだけです。それをどんな絵にするかは U-Net が、何の絵にするかはプロンプトが決めます。

# %% [markdown]
# ### 1 回の呼び出しで
#
# ここまでのことは、いつもの呼び出しでもできます。渡した画像は確認されて適切な大きさになり、何を渡したかは、できた画像の記録に残ります。

# %%
import kakusan

options = {"model": MODEL, "seed": 5, "progress": False}
half = f"box:{width // 2},0,{width // 2},{height}"
(over,) = kakusan.generate("a fox, meadow", image=cat, strength=0.3, **options)
(part,) = kakusan.generate(
    "a cat to the left of a tree", image=scene, mask=half, strength=1.0, **options
)
steer = {"kind": "canny", "image": apples, "model": CONTROLNET}
(followed,) = kakusan.generate("three lemons, meadow", controls=steer, **options)
image_grid([over.image, part.image, followed.image], rows=1, cols=3)
