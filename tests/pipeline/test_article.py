"""The notebook's code, run with kakusan and with the libraries it was written for.

The two runs differ in their import lines only. Against the notebook, the device is the CPU, and
sizes and steps are smaller.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.programs import run_program

PIPELINE = """
import torch
{pipeline_imports}
import PIL
from PIL import Image

pipe = StableDiffusionPipeline.from_pretrained(
    "CompVis/stable-diffusion-v1-4", torch_dtype=torch.float32
)
pipe = pipe.to("cpu")

prompt = "a photograph of an astronaut riding a horse"
generator = torch.Generator("cpu").manual_seed(1024)
image = pipe(prompt, generator=generator, num_inference_steps=15).images[0]
image.save(f"astronaut_rides_horse.png")

def image_grid(imgs, rows, cols):
    assert len(imgs) == rows*cols
    w, h = imgs[0].size
    grid = Image.new('RGB', size=(cols*w, rows*h))
    grid_w, grid_h = grid.size
    for i, img in enumerate(imgs):
        grid.paste(img, box=(i%cols*w, i//cols*h))
    return grid

num_images = 3
prompt = ["a light brown tabby cat,tea time ,flying in the blue sky,manga"] * num_images
torch.manual_seed(7)
images = pipe(prompt, num_inference_steps=4).images
grid = image_grid(images, rows=1, cols=3)
grid.save("grid.png")

num_cols = 3
num_rows = 2
prompt = ["a photograph of an astronaut riding a horse"] * num_cols
all_images = []
for i in range(num_rows):
  images = pipe(prompt, num_inference_steps=2).images
  all_images.extend(images)
grid = image_grid(all_images, rows=num_rows, cols=num_cols)
grid.save("rows.png")

prompt = "a photograph of an astronaut riding a horse"
image = pipe(prompt, height=64, width=96, num_inference_steps=3).images[0]
image.save("landscape.png")
"""

BY_HAND = """
import torch
torch_device = "cuda" if torch.cuda.is_available() else "cpu"
{part_imports}
from PIL import Image

vae = AutoencoderKL.from_pretrained("CompVis/stable-diffusion-v1-4", subfolder="vae")
tokenizer = CLIPTokenizer.from_pretrained("openai/clip-vit-large-patch14")
text_encoder = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14")
unet = UNet2DConditionModel.from_pretrained("CompVis/stable-diffusion-v1-4", subfolder="unet")
scheduler = LMSDiscreteScheduler.from_pretrained(
    "CompVis/stable-diffusion-v1-4", subfolder="scheduler"
)

vae = vae.to(torch_device)
text_encoder = text_encoder.to(torch_device)
unet = unet.to(torch_device)

prompt = ["a photograph of an astronaut riding a horse"]
height = 64
width = 64
num_inference_steps = 10
guidance_scale = 7.5
generator = torch.manual_seed(32)
batch_size = 1

text_input = tokenizer(
    prompt, padding="max_length", max_length=tokenizer.model_max_length,
    truncation=True, return_tensors="pt",
)
with torch.no_grad():
  text_embeddings = text_encoder(text_input.input_ids.to(torch_device))[0]

max_length = text_input.input_ids.shape[-1]
uncond_input = tokenizer(
    [""] * batch_size, padding="max_length", max_length=max_length, return_tensors="pt"
)
with torch.no_grad():
  uncond_embeddings = text_encoder(uncond_input.input_ids.to(torch_device))[0]

text_embeddings = torch.cat([uncond_embeddings, text_embeddings])

latents = torch.randn(
  (batch_size, unet.in_channels, height // 8, width // 8),
  generator=generator,
)
latents = latents.to(torch_device)
latents.shape

scheduler.set_timesteps(num_inference_steps)
latents = latents * scheduler.init_noise_sigma

from tqdm.auto import tqdm
from torch import autocast

for t in tqdm(scheduler.timesteps):
  latent_model_input = torch.cat([latents] * 2)
  latent_model_input = scheduler.scale_model_input(latent_model_input, t)
  with torch.no_grad():
    noise_pred = unet(latent_model_input, t, encoder_hidden_states=text_embeddings).sample
  noise_pred_uncond, noise_pred_text = noise_pred.chunk(2)
  noise_pred = noise_pred_uncond + guidance_scale * (noise_pred_text - noise_pred_uncond)
  latents = scheduler.step(noise_pred, t, latents).prev_sample

latents = 1 / 0.18215 * latents
with torch.no_grad():
  image = vae.decode(latents).sample

image = (image / 2 + 0.5).clamp(0, 1)
image = image.detach().cpu().permute(0, 2, 3, 1).numpy()
images = (image * 255).round().astype("uint8")
pil_images = [Image.fromarray(image) for image in images]
pil_images[0].save("by_hand.png")
"""

OURS = {
    "pipeline_imports": "from kakusan import StableDiffusionPipeline",
    "part_imports": (
        "from kakusan import CLIPTextModel, CLIPTokenizer\n"
        "from kakusan import AutoencoderKL, UNet2DConditionModel, PNDMScheduler\n"
        "from kakusan import LMSDiscreteScheduler"
    ),
}
THEIRS = {
    "pipeline_imports": "from diffusers import StableDiffusionPipeline",
    "part_imports": (
        "from transformers import CLIPTextModel, CLIPTokenizer\n"
        "from diffusers import AutoencoderKL, UNet2DConditionModel, PNDMScheduler\n"
        "from diffusers import LMSDiscreteScheduler"
    ),
}


def put_in_cache(home: Path, name: str, folder: Path) -> None:
    """The layout in which the hub's client keeps a downloaded model."""
    root = home / "hub" / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folder, root / "snapshots" / ("0" * 40))


@pytest.fixture(scope="module")
def home(tiny_v1: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    put_in_cache(home, "CompVis/stable-diffusion-v1-4", tiny_v1)
    clip = tmp_path_factory.mktemp("clip")
    shutil.copytree(tiny_v1 / "text_encoder", clip, dirs_exist_ok=True)
    shutil.copytree(tiny_v1 / "tokenizer", clip, dirs_exist_ok=True)
    put_in_cache(home, "openai/clip-vit-large-patch14", clip)
    return home


def run(script: str, folder: Path, home: Path) -> None:
    folder.mkdir()
    quiet = "import warnings; warnings.simplefilter('ignore')\n"
    run_program(quiet + script, home, folder)


@pytest.mark.parametrize("script", [PIPELINE, BY_HAND], ids=["pipeline", "by hand"])
def test_the_articles_code_gives_the_same_files(script: str, home: Path, tmp_path: Path) -> None:
    run(script.format(**OURS), tmp_path / "ours", home)
    run(script.format(**THEIRS), tmp_path / "theirs", home)
    written = sorted(path.name for path in (tmp_path / "theirs").iterdir())
    assert written == sorted(path.name for path in (tmp_path / "ours").iterdir())
    for name in written:
        ours, theirs = (pixels(tmp_path / side / name) for side in ("ours", "theirs"))
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1
        assert (ours != theirs).mean() <= 1e-3


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path)).astype(int)
