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
# # Stable Diffusion, step by step
#
# 日本語版：`stable_diffusion_ja.ipynb`
#
# Stable Diffusion turns a sentence into a picture. This notebook uses it, takes it apart, and puts it together again by hand, with kakusan, which is Stable Diffusion written in Python. You need to know a little Python, and no mathematics beyond plus and times.
#
# It runs as it is: on a laptop without a GPU, without an account, without a download of weights. That works because kakusan brings a small model of its own, which draws simple scenes of 128×128 pixels. One variable below switches everything to Stable Diffusion v1.4, the model with which all this became known, if you have a GPU.
#
# Run the cells from top to bottom: click on one and press Shift+Enter.
#
# 1. [The machine, and installing](#1.-The-machine,-and-installing)
# 2. [The pipeline](#2.-The-pipeline): first picture, seeds, steps, guidance, several pictures, other sizes
# 3. [What Stable Diffusion is](#3.-What-Stable-Diffusion-is): autoencoder, U-Net, text encoder, and why latents make it fast
# 4. [A look inside](#4.-A-look-inside): every step, and what each word attends to
# 5. [The pipeline by hand](#5.-The-pipeline-by-hand)
# 6. [Steering by pictures](#6.-Steering-by-pictures): from a picture to a picture, masks, ControlNet

# %% [markdown]
# ## 1. The machine, and installing
#
# The first cell installs kakusan, if it is not there; otherwise it prints nothing. If this notebook lies in a clone of the repository, it takes kakusan from there, and else from the package index, or from the repository while the index does not have it. With PyTorch that takes some minutes. On Google Colab, if you want a GPU, choose *Runtime → Change runtime type* before. The small model does not need one.
#
# - `find_spec("kakusan")` looks for the package without loading it, and gives `None` where there is none.
# - `[inspect]` adds what the plots and the bars need.
# - `subprocess.run([sys.executable, "-m", "pip", "install", ...])` runs pip, for the very Python that this notebook runs on.

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
# What is this machine, and what will compute? A line that begins with `!` goes to the command line instead of Python. `{sys.executable}` is the Python that this notebook runs on, and `kakusan doctor` tells what it found: processor, memory, GPU, and the precision that is fast here. (On a machine with an NVIDIA GPU, `!nvidia-smi` shows more about it.)

# %%
import sys

# !{sys.executable} -m kakusan doctor

# %% [markdown]
# Now the settings that everything below uses:
#
# - `MODEL` is the model. `"builtin"` is the small one in the package. `"CompVis/stable-diffusion-v1-4"` downloads the published one, about 4 GB, once.
# - `torch.cuda.is_available()` is true where there is an NVIDIA GPU that PyTorch can use; then `DEVICE` is `"cuda"`, and otherwise the processor, `"cpu"`.
# - `DTYPE` is how weights are kept: `float16`, 16 bits a number, halves the memory and is fast on a GPU. On a processor this notebook keeps `float32`; 16 bits would work there too.
# - `LANGUAGE` is that of the words in the figures: `"en"` or `"ja"`.

# %%
import torch

MODEL = "builtin"  # or "CompVis/stable-diffusion-v1-4"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPE = torch.float16 if DEVICE == "cuda" else torch.float32
LANGUAGE = "en"
MODEL, DEVICE, DTYPE, LANGUAGE

# %% [markdown]
# ## 2. The pipeline
#
# `StableDiffusionPipeline` is everything from the sentence to the picture in one object.
#
# - `from_pretrained(MODEL, ...)` loads all parts of a trained model: a folder, a name on the Hugging Face Hub, or `"builtin"`.
# - `torch_dtype=DTYPE` says how to keep the weights.
# - `pipe.to(DEVICE)` moves them to where they will compute.
# - `set_progress_bar_config(leave=False)` lets each progress bar go away once its picture is there.

# %%
from kakusan import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained(MODEL, torch_dtype=DTYPE)
pipe = pipe.to(DEVICE)
pipe.set_progress_bar_config(leave=False)

# %% [markdown]
# ### The first picture
#
# - `prompt` is the sentence.
# - `pipe(prompt)` draws. While it works, a bar counts the steps.
# - What comes back has a list of pictures in `.images`; `[0]` is the first of it. Each is an `Image` of PIL, the usual picture library of Python.
# - `image.save(...)` writes a file. The last line of a cell is shown below it, so `image` alone shows the picture.

# %%
prompt = "a photograph of an astronaut riding a horse"
image = pipe(prompt).images[0]
image.save("astronaut_rides_horse.png")
image

# %% [markdown]
# Another prompt: several wishes, separated by commas. Change it and run the cell again. The small model knows 160 things and 15 places, so ask it for some of those. With v1.4 you can ask for far more: try `"a light brown tabby cat, tea time, flying in the blue sky, manga"` here.

# %%
image = pipe("a tabby cat and tea, blue sky").images[0]
image

# %% [markdown]
# The built-in model reads Japanese as well. (v1.4 learnt from English captions and hardly does.)

# %%
image = pipe("青い猫、夜空").images[0]
image

# %% [markdown]
# Words that the built-in model was never taught are no error: it draws what it knows, and one line says which words these are, with the nearest one that it does know where there is one. Read that line before you wonder at a picture.
#
# (A published model such as v1.4 keeps no list of what it was taught, so there this line does not come.)

# %%
image = pipe("a red griffin and a catt").images[0]
image

# %% [markdown]
# ### Seeds
#
# Run a cell above twice and you get two pictures. Every picture begins as random noise, and other noise becomes another picture. Computers make random numbers by calculation from a starting number, the **seed**: the same seed gives the same noise, and so the same picture.
#
# - `torch.Generator(DEVICE)` makes a source of random numbers.
# - `.manual_seed(1024)` sets its starting number. Any whole number will do.
# - `generator=generator` has the pipeline take its noise from there.

# %%
generator = torch.Generator(DEVICE).manual_seed(1024)
image = pipe(prompt, generator=generator).images[0]
image

# %% [markdown]
# Shorter: `seed=1024` needs no generator. Its noise is always made on the processor, so that it is the same on every machine (on a GPU the picture differs from the one above, whose noise the GPU's generator made). The result of the call shows itself with its seed.

# %%
pipe(prompt, seed=1024)

# %% [markdown]
# ### Steps
#
# The noise goes away in steps. `num_inference_steps` says how many; more take longer, and from some point on change nothing that you could see. `experiment` draws the same prompt from the same seed under several settings and shows them side by side:
#
# - `x={"steps": [...]}` varies the steps from left to right.
# - `model=` and `seed=` stay the same.

# %%
from kakusan.inspect import experiment

experiment(prompt, x={"steps": [2, 4, 8, 15, 25]}, model=MODEL, seed=1024, language=LANGUAGE)

# %% [markdown]
# ### Guidance
#
# `guidance_scale` says how strictly to follow the prompt. At 1 the network's word is taken as it is. Above, the difference that the prompt makes is exaggerated: first the picture fits better, then it becomes harsh and pictures resemble one another. What is good depends on the model: 7.5 for v1.4, less for the small one. How it works is in section 5.

# %%
experiment(prompt, x={"guidance": [1, 2, 4, 7.5, 15]}, model=MODEL, seed=1024, language=LANGUAGE)

# %% [markdown]
# ### Several pictures in a grid
#
# To put pictures into one, we write a small function. (`kakusan.image_grid` does the same.)
#
# - `assert` stops with an error if the number of pictures does not fit.
# - `Image.new` makes an empty picture, `cols` pictures wide and `rows` high.
# - `enumerate` counts the pictures from 0. `i % cols`, the remainder of the division, is the column; `i // cols`, the whole part, is the row; times width and height that is the corner at which `paste` puts the picture.

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
# One row of three: the list holds the prompt three times (`* num_images` repeats it), and the pipeline draws a picture for each. The prompt says nothing about the place, so it is left to the noise: three seeds, three places.

# %%
num_images = 3
prompts = ["a rocket"] * num_images
images = pipe(prompts, seed=7).images
image_grid(images, rows=1, cols=num_images)

# %% [markdown]
# Four rows of three: one call for each row, the rows kept in one list.
#
# - `for i in range(num_rows)` runs the body with `i` = 0, 1, 2, 3.
# - `extend` adds the row's pictures to the list.
# - `seed=num_cols * i`: with a seed, picture number *k* of a call has the seed *k* higher, so these are the seeds 0 to 11.

# %%
num_cols, num_rows = 3, 4
prompts = ["a house"] * num_cols
all_images = []
for i in range(num_rows):
    all_images.extend(pipe(prompts, seed=num_cols * i).images)
image_grid(all_images, rows=num_rows, cols=num_cols)

# %% [markdown]
# ### Portrait and landscape
#
# `height` and `width` are in pixels, multiples of 8. A model draws best at the size that it learnt (128 for the built-in model, 512 for v1.4): smaller pictures lose quality, and pictures larger in both directions repeat things, because the model never saw how a scene of that size hangs together. So keep one side as it is and enlarge the other.
#
# - `pipe.unet.config.sample_size * pipe.vae.scale_factor` is the model's own side in pixels.

# %%
side = pipe.unet.config.sample_size * pipe.vae.scale_factor
landscape = pipe("two boats in the sea", height=side, width=side * 3 // 2, seed=3).images[0]
landscape

# %%
portrait = pipe("a rocket in space", height=side * 3 // 2, width=side, seed=3).images[0]
portrait

# %% [markdown]
# ## 3. What Stable Diffusion is
#
# A **diffusion model** learns to remove noise. In training, noise is added to pictures, and a network learns to say what was added. To draw, one begins with nothing but noise and lets the network take it away little by little: it finds a picture where there never was one, as one sees animals in clouds. The sentence tells it what to find.
#
# Doing that with pixels is slow. Stable Diffusion is a **latent** diffusion model ([Rombach et al., 2022](https://arxiv.org/abs/2112.10752)): it removes noise from a much smaller form of the picture, its *latents*. Three networks work together:
#
# 1. the **autoencoder** (VAE) turns pictures into latents and back,
# 2. the **U-Net** removes noise from latents,
# 3. the **text encoder** turns the sentence into numbers that tell the U-Net what to find. In Stable Diffusion it is that of CLIP, which was trained on pictures with their captions.

# %% [markdown]
# ### The autoencoder
#
# Its encoder makes latents of a picture, its decoder a picture of latents. To draw, only the decoder is needed; the encoder serves for training, and for changing pictures that exist. Let us send a picture there and back:
#
# - `np.asarray(image)` is the picture as an array of numbers from 0 to 255; divided by 127.5 and less 1 they are from −1 to 1, as the networks want them.
# - `permute(2, 0, 1)` puts the colours first, `[None]` adds the batch in front: (1, 3, height, width).
# - `torch.no_grad()` says that nothing is to be learnt, which saves memory.
# - `vae.encode(...).latent_dist.mode()` is the most likely of the latents that the encoder allows.

# %%
import numpy as np

pixels = torch.from_numpy(np.asarray(image) / 127.5 - 1).permute(2, 0, 1)[None]
pixels = pixels.to(DEVICE, DTYPE)
with torch.no_grad():
    picture_latents = pipe.vae.encode(pixels).latent_dist.mode()
pixels.shape, picture_latents.shape, f"{pixels.numel() / picture_latents.numel():.0f} to 1"

# %% [markdown]
# Each side has become eight times shorter, and instead of three colours there are more channels (four in v1.4, eight in the small model). This is what they look like; one can see the picture in them:

# %%
from kakusan.inspect import latent_channels

latent_channels(picture_latents, language=LANGUAGE)

# %% [markdown]
# And back. `.sample` is the decoded picture, from −1 to 1; half of it plus 0.5 is from 0 to 1, and `clamp` cuts what lies outside. The two pictures are nearly the same: the autoencoder keeps what is seen and drops the rest.


# %%
def to_pil(decoded):
    decoded = (decoded / 2 + 0.5).clamp(0, 1)
    arrays = decoded.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray((array * 255).round().astype("uint8")) for array in arrays]


with torch.no_grad():
    decoded = pipe.vae.decode(picture_latents).sample
image_grid([image, to_pil(decoded)[0]], rows=1, cols=2)

# %% [markdown]
# ### The U-Net
#
# It gets noisy latents, the timestep (how much noise there is), and the text; it returns a tensor of the latents' shape from which the noise can be computed. Its first half makes the latents smaller and smaller while it gathers what is where, its second half makes them large again, and shortcuts hand the details across: drawn on paper that is a U. Between its convolutions stand *cross-attention* layers, by which every place in the picture looks at the words.
#
# - `sum(p.numel() for p in ...)` counts the network's numbers.


# %%
def millions(network):
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


for name in ("unet", "vae", "text_encoder"):
    print(f"{name:13} {millions(getattr(pipe, name)):7.1f} million parameters")

# %% [markdown]
# ### The text encoder
#
# A network cannot read letters. The tokenizer cuts the sentence into *tokens*, words or parts of words, each with a number; the text encoder makes of each a row of numbers, the embedding, in which its meaning in this sentence is written. In Stable Diffusion it is not trained along with the U-Net: it was finished before, and stays as it is.
#
# `read_prompt` shows the tokens with their numbers, and what is cut off if there are too many:

# %%
from kakusan.inspect import read_prompt

print(read_prompt(pipe.tokenizer, prompt))

# %% [markdown]
# ### Why latents make it fast
#
# The U-Net does most of the work, and it does more of it the larger its input is. We measure it: latents of the usual size, and of two and four times the side.
#
# - `time_unet` calls the U-Net twice and takes the time of the second call, so that nothing else is counted that happens only once.
# - `torch.cuda.synchronize()` waits for the GPU, which works on after Python has gone on.

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
# Four times the side is 16 times the places, so the convolutions have 16 times the work; self-attention, which compares all places with all, has 256 times. (The small model's time grows by less: with so small an input, much of a call is overhead that does not grow.) Without latents the U-Net would work on pixels: *eight* times the side, at every step. That is why a graphics card of a few gigabytes is enough for Stable Diffusion.

# %% [markdown]
# ## 4. A look inside
#
# So this is the way of a picture: the text encoder reads the prompt; random latents are drawn; the U-Net and the **scheduler** (the rule by which noise is taken away) clean them step by step; the decoder makes a picture of the result.
#
# `denoising` draws a picture and keeps what the network expected it to become after each step. At first it knows little more than where something bright will be; details come last.

# %%
from kakusan.inspect import denoising

steps = denoising(pipe, prompt, seed=1024, language=LANGUAGE)
steps

# %% [markdown]
# `watch` shows the picture while it is drawn, in one place: until the last step these are coarse previews, made without the decoder. The semicolon keeps the notebook from showing the picture once more. `steps.animation("steps.gif")` would save it as an animation.

# %%
from kakusan.inspect import watch

watch(pipe, prompt, seed=1024);

# %% [markdown]
# Which places look at which word? `attention_maps` records what the cross-attention layers pay to each token: bright is much, dark is little, averaged over all layers and steps.

# %%
from kakusan.inspect import attention_maps

maps = attention_maps(pipe, "a cat to the left of a house", seed=5)
maps

# %% [markdown]
# One word, from the first step to the last: the place is decided early.

# %%
maps.by_step("house")

# %% [markdown]
# How much is noise at each timestep, and at which timesteps do the schedulers stop on the way from noise (left) to picture (right)?

# %%
from kakusan.inspect import schedules

names = ["pndm", "lms", "heun", "euler-a", "dpmpp-2m uniform", "dpmpp-2m"]
schedules(pipe, names, language=LANGUAGE)

# %% [markdown]
# The same seed with several schedulers: the first four are different ways from the same noise to the same goal, so their pictures are alike; `euler-a` adds new noise at every step and arrives at another picture.

# %%
names = ["pndm", "lms", "heun", "dpmpp-2m", "euler-a"]
experiment(prompt, x={"scheduler": names}, model=MODEL, seed=1024, language=LANGUAGE)

# %% [markdown]
# And a walk from one prompt to another, by mixing their embeddings more and more:

# %%
from kakusan.inspect import walk

walk(pipe, "a cat on a red background", "a dog on a blue background", pictures=7, seed=4)

# %% [markdown]
# ## 5. The pipeline by hand
#
# Now we do by ourselves what the pipeline does, part by part. `subfolder=` says in which folder of the model a part lies.
#
# - `AutoencoderKL` is the autoencoder,
# - `CLIPTokenizer` and `CLIPTextModel` are tokenizer and text encoder, which belong together,
# - `UNet2DConditionModel` is the U-Net: two-dimensional, and conditioned on the text.

# %%
from kakusan import AutoencoderKL, CLIPTextModel, CLIPTokenizer, UNet2DConditionModel

vae = AutoencoderKL.from_pretrained(MODEL, subfolder="vae")
tokenizer = CLIPTokenizer.from_pretrained(MODEL, subfolder="tokenizer")
text_encoder = CLIPTextModel.from_pretrained(MODEL, subfolder="text_encoder")
unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet")

# %% [markdown]
# As the scheduler we take another one than the model's own: **K-LMS**, a linear multistep method that Katherine Crowson brought to diffusion models. It reads the noise schedule from the model's folder.

# %%
from kakusan import LMSDiscreteScheduler

scheduler = LMSDiscreteScheduler.from_pretrained(MODEL, subfolder="scheduler")

# %%
vae = vae.to(DEVICE)
text_encoder = text_encoder.to(DEVICE)
unet = unet.to(DEVICE)

# %% [markdown]
# What we want to draw:
#
# - `height`, `width`: the model's own size.
# - `num_inference_steps`: how many steps the noise is removed in.
# - `guidance_scale`: how strictly to follow the prompt, see below.
# - `generator`: the source of the first noise, with its seed.
# - `batch_size`: one picture for each prompt of the list.

# %%
prompt = ["a photograph of an astronaut riding a horse"]
height = width = unet.config.sample_size * vae.scale_factor
num_inference_steps = 30
guidance_scale = 4.0
generator = torch.manual_seed(32)
batch_size = len(prompt)

# %% [markdown]
# ### Text embeddings
#
# - `padding="max_length"` fills the tokens up to the length that the text encoder expects, `truncation=True` cuts what is longer.
# - `return_tensors="pt"` wants PyTorch tensors; `input_ids` are the tokens' numbers.
# - `text_encoder(...)[0]` are the embeddings: for each prompt and each token a row of numbers.

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
# **Classifier-free guidance** needs the embeddings of an empty prompt too. In training, some captions were left out, so that the same network learnt to draw with and without text. At every step we ask it both ways and go further in the direction in which the text leads:
#
# $$\text{noise} = \text{noise}_\text{without} + w \cdot (\text{noise}_\text{with} - \text{noise}_\text{without})$$
#
# $w$ is the guidance scale ([Ho & Salimans, 2022](https://arxiv.org/abs/2207.12598)); at $w = 1$ only what was predicted with text is left. "Classifier-free" because earlier methods needed a second network for this, a classifier.

# %%
max_length = text_input.input_ids.shape[-1]
uncond_input = tokenizer(
    [""] * batch_size, padding="max_length", max_length=max_length, return_tensors="pt"
)
with torch.no_grad():
    uncond_embeddings = text_encoder(uncond_input.input_ids.to(DEVICE))[0]

# %% [markdown]
# Both would be two calls of the U-Net at every step. `torch.cat` joins them into one batch, so that one call does both.

# %%
text_embeddings = torch.cat([uncond_embeddings, text_embeddings])
text_embeddings.shape

# %% [markdown]
# ### The first noise
#
# - `torch.randn` draws random numbers of mean 0 and standard deviation 1 in the latents' shape: (pictures, channels, height, width). Divided by `vae.scale_factor`, which is 8, because latents are that much smaller.

# %%
latents = torch.randn(
    (batch_size, unet.config.in_channels, height // vae.scale_factor, width // vae.scale_factor),
    generator=generator,
)
latents = latents.to(DEVICE)
latents.shape

# %% [markdown]
# The scheduler computes its timesteps and, for each, how strong the noise is there: *sigma*. K-LMS counts noise in units of the picture, so its first latents must be as strong as its first sigma: we multiply.

# %%
scheduler.set_timesteps(num_inference_steps)
latents = latents * scheduler.init_noise_sigma
scheduler.init_noise_sigma

# %% [markdown]
# ### The denoising loop
#
# For each timestep `t`, from much noise to none (`tqdm` shows a bar):
#
# 1. `torch.cat([latents] * 2)`: the latents twice, once for the empty prompt, once for ours.
# 2. `scale_model_input` brings them to the strength that the U-Net knows from its training; K-LMS keeps them larger.
# 3. `unet(...)` predicts, looking at the text (`encoder_hidden_states`).
# 4. `chunk(2)` takes the batch apart again, and guidance goes further in the direction of the text.
# 5. `scheduler.step` takes a part of the noise away: `prev_sample` are the latents of the next timestep.

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
# ### Decoding
#
# The U-Net works with latents whose standard deviation is about 1; the autoencoder's are stronger or weaker. `scaling_factor` is the number between the two (0.18215 in v1.4): latents were multiplied by it on the way in, so we divide by it on the way out.

# %%
with torch.no_grad():
    decoded = vae.decode(latents / vae.config.scaling_factor).sample
image = to_pil(decoded)[0]
image

# %% [markdown]
# That is the whole of it: tokens, embeddings, noise, a loop, a decoder. Things to try from here:
#
# - Replace `LMSDiscreteScheduler` by another scheduler, or change `guidance_scale` in the middle of the loop.
# - Keep `latents` of every step and decode them.
# - Set `MODEL` to `"CompVis/stable-diffusion-v1-4"` on a machine with a GPU and run everything again.

# %% [markdown]
# ## 6. Steering by pictures
#
# A prompt says what to draw and hardly where. A picture can say that, and it can take part at three places of the loop: as what drawing *begins* at, as what *stays*, and as what a second network *looks at* in every step. The U-Net remains as it is.
#
# So we write the loop once more, as a function that leaves room at these places. The scheduler is **DDIM**, whose steps depend on nothing but the latents as they are, so that one may begin anywhere.
#
# - `begin` is the number of the first step that is taken.
# - `beside`, if there is one, is called before the U-Net and gives it something more to work with.
# - `after`, if there is one, is called after each step and may change its latents.

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
# ### From a picture to a picture
#
# Drawing begins with noise alone, at the first timestep. But the U-Net cannot tell how latents came to be as noisy as they are. So take a picture, lay as much noise over it as belongs to a *later* timestep, and go on from there ([Meng et al., 2021](https://arxiv.org/abs/2108.01073)): what the noise has not covered stays, the rest is drawn anew. That is all of "img2img": **starting further down the noise**. How far up one goes is its `strength`.
#
# - `scheduler.add_noise(picture, noise, timestep)` mixes the two as they are mixed at that timestep.
#
# Above, what drawing begins at, for strengths from 0.1 to 1; below, what "a fox, meadow" makes of it:

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
# At 0.1 the cat's outline is still to be seen and the fox has to take its shape; at 0.3 the place and the dark ground are left; at 1 nothing is. (The small model decides early and firmly; with v1.4 the interesting strengths lie higher, at 0.5 to 0.8.)

# %% [markdown]
# ### Masks
#
# A mask says what may change. After every step, the latents outside it are replaced by those of the picture, with the noise that belongs to the *next* timestep, so that both halves are always equally noisy. The U-Net sees the whole and makes what is new fit to what stays.
#
# - `mask` is 1 where something new is drawn: the right half. Latents are eight times smaller than the picture, so the mask is too.
# - `scheduler.timesteps[i + 1 : i + 2]` is the next timestep; after the last there is none, and the picture comes in without noise.
#
# From left to right: the picture, the mask, and the latents after steps 1, 13, 19, 22 and 25, with the prompt "a cat to the left of a tree":

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
# The cat went through encoder and decoder and so is not the same to the last pixel. `kakusan inpaint` therefore pastes the new part into the picture at the end, and all else stays as it was.

# %% [markdown]
# ### ControlNet
#
# A **ControlNet** ([Zhang et al., 2023](https://arxiv.org/abs/2302.05543)) is a copy of the U-Net's first half that sees one thing more: a picture of edges, of depth, or of a pose. It was trained beside the U-Net, which itself stayed as it was, to say one thing: what has to be *added* to the tensors that go from the first half to the second, so that what is drawn fits to the picture. These additions are called residuals.
#
# One for edges comes with the small model. `canny` finds the edges, white on black. We turn the picture upside down first, because the small model would always put one apple below two:

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
# At every step it is asked before the U-Net, and the U-Net takes what it says:
#
# - `hint` is the picture of edges, from 0 to 1, twice: once for each half of the guidance.
# - `down_block_res_samples` are the residuals for the shortcuts of the U, `mid_block_res_sample` is the one for its middle.
#
# Above with the edges, below without, from the same noise:

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
# And the residuals themselves: how strong they are at each place, bright is strong. Each row is a timestep, from much noise to little; each column is one of the shortcuts, from fine to coarse, and the last one is the middle of the U.

# %%


def strengths(residual):
    strength = residual[-1].float().square().mean(0).sqrt()
    levels = (255 * strength / strength.max()).byte().cpu().numpy()
    return Image.fromarray(levels).convert("RGB").resize((64, 64), Image.Resampling.NEAREST)


rows = [residuals[int(scheduler.timesteps[i])] for i in (0, 8, 16, 24)]
image_grid([strengths(each) for row in rows for each in row], rows=4, cols=len(rows[0]))

# %% [markdown]
# The net says the same at every timestep: here are lines, there is nothing. What becomes of it the U-Net decides, and what the thing is the prompt.

# %% [markdown]
# ### The short way
#
# All of this is in the usual call, too. What is handed in is checked and brought to size, and the record of each picture tells of it.

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
