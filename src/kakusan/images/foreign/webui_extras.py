"""What AUTOMATIC1111 and its extensions did that cannot be done again from the file."""

from collections.abc import Iterator

from kakusan.images.foreign.fields import Fields

ANOTHER_PICTURE = "it was drawn over another picture, which the file does not hold."
SECOND_PASS = "it was drawn larger in a second pass (hires fix), which is not made again."
MASK = "parts of another picture were repainted (inpainting): picture and mask are not in the file."
CONTROL = "it was steered by a control network, whose picture the file does not hold."
REFINED = "a second model took over on the way (a refiner)."
# How keys begin -> what was done
_EXTENSIONS = {
    "Hires ": SECOND_PASS,
    "First pass size": SECOND_PASS,
    "Mask blur": MASK,
    "Masked ": MASK,
    "Mask mode": MASK,
    "Inpaint area": MASK,
    "ControlNet": CONTROL,
    "Refiner": REFINED,
    "Face restoration": "faces were restored afterwards.",
    "ADetailer": "ADetailer drew parts of it again.",
    "Script": "a script drew it, with settings of its own.",
    "X Type": "it is a grid of several pictures.",
    "X Values": "it is a grid of several pictures.",
    "SD upscale": "it was drawn over in tiles of another picture.",
    "Ultimate SD upscale": "it was drawn over in tiles of another picture.",
    "Tiled Diffusion": "it was drawn in tiles (Tiled Diffusion).",
    "Dynamic thresholding": "its guidance was thresholded (Dynamic Thresholding).",
    "FreeU": "layers of the UNet were weighted (FreeU).",
    "SAG ": "its guidance was another (SAG).",
    # as Forge writes them
    "freeu_enabled": "layers of the UNet were weighted (FreeU).",
    "sag_enabled": "its guidance was another (SAG).",
    "pag_enabled": "its guidance was another (PAG).",
    "dynthres_enabled": "its guidance was thresholded (Dynamic Thresholding).",
    "hypertile_enabled": "it was drawn in tiles (HyperTile).",
    "kohya_hrfix_enabled": "its UNet was patched (Kohya HRFix).",
    "multidiffusion_enabled": "it was drawn in tiles (MultiDiffusion).",
    "neveroom_enabled": "its latents were decoded in tiles (Never OOM).",
    "stylealign_enabled": "attention was shared between pictures (StyleAlign).",
    "Token merging": "tokens were merged (ToMe), which changes the picture a little.",
    "Tiling": "it was drawn to be tiled.",
    "Hypernet": "a hypernetwork was on, which kakusan has not.",
    "NGMS": "guidance was left out of low noise levels (NGMS).",
    "Skip Early CFG": "guidance was left out of the first steps.",
    "Noise multiplier": "its noise was multiplied.",
    "Extra noise": "noise was added to the given picture.",
    "Distilled CFG Scale": "it may be of Flux, which kakusan does not draw with.",
    "Postprocess": "it was changed after it was drawn.",
    "Regional Prompter": "regions had prompts of their own (Regional Prompter).",
    "RP ": "regions had prompts of their own (Regional Prompter).",
    "IP-Adapter": "another picture steered it (IP-Adapter).",
    "LayerDiffuse": "it was drawn with transparency (LayerDiffuse).",
    "AnimateDiff": "it is a frame of an animation (AnimateDiff).",
}
# Where such a key says that nothing was done
_NOTHING = ("0", "0.0", "None", "False", "")


def ways_limits(fields: Fields, prompt: str) -> list[str]:
    """One sentence for each of them, before the fields are taken."""
    found = list(_said(fields))
    if "Denoising strength" in fields and SECOND_PASS not in found and MASK not in found:
        found.insert(0, ANOTHER_PICTURE)
    if "<hypernet:" in prompt:
        found.append(_EXTENSIONS["Hypernet"])
    return list(dict.fromkeys(found))


def _said(fields: Fields) -> Iterator[str]:
    for name in fields.names():
        if str(fields.look(name)) in _NOTHING:
            continue
        yield from (said for start, said in _EXTENSIONS.items() if name.startswith(start))
