"""Every field of a `Request`, and what a client may say in it.

A client never says where a file is: models, networks and adapters are names of the catalog, and
pictures travel as their bytes. What belongs to whoever runs the server is refused, with a reason.
"""

from collections.abc import Mapping

# Numbers, texts and choices, which `Request` checks
PLAIN = frozenset(
    {
        *("prompt", "negative_prompt", "height", "width", "num_inference_steps", "timesteps"),
        *("sigmas", "guidance_scale", "guidance_rescale", "num_images_per_prompt", "eta", "seed"),
        *("clip_skip", "quality_budget", "reuse_interval"),
        # SDXL's
        *("prompt_2", "negative_prompt_2", "original_size", "crops_coords_top_left"),
        *("target_size", "negative_original_size", "negative_crops_coords_top_left"),
        *("negative_target_size", "force_zeros_for_empty_prompt", "denoising_end"),
        *("denoising_start", "aesthetic_score", "negative_aesthetic_score"),
        # how noise is drawn, and how prompts are read
        *("rng", "ensd", "variation_seed", "variation_strength", "seed_resize"),
        *("prompt_syntax", "emphasis", "pad_conds", "old_timelines"),
        *("template", "negative_template"),
        # of pictures that are handed in
        *("strength", "resize_mode", "mask_blur", "masked_content", "only_masked", "outside"),
        *("soft_mask", "outpaint", "upscale"),
        *("lora_scale", "freeu", "truncate_pixels"),
    }
)
# Names of samplers, or published configs, which are looked at closely
SCHEDULED = frozenset({"scheduler", "second_pass"})
# Names of the catalog
NAMED = frozenset({"model", "vae", "loras", "embeddings"})
# Pictures, or lists of mappings that have pictures and names
PICTURED = frozenset({"image", "mask", "controls", "image_prompts"})
# What is not a client's to say, and why
REFUSED: Mapping[str, str] = {
    "commit": "the server's models are there in one version each",
    "variant": "the server's models are there in one version each",
    "unet": "a part of a model is not chosen by a request; ask for a model that has it",
    "prediction_type": "what a model predicts is known by the server",
    "lora_files": "adapters are named in loras, as GET /v1/loras has them",
    "dtype": "whoever runs the server decides in what numbers it computes",
    "device": "whoever runs the server decides where it computes",
    "safety_checker": "whoever runs the server decides whether pictures are looked at",
}
ALLOWED = PLAIN | SCHEDULED | NAMED | PICTURED
CONTROL_FIELDS = ("image", "model", "kind", "type", "scale", "start", "end", "mode", "resize_mode")
IMAGE_PROMPT_FIELDS = ("model", "images", "scale", "blocks")
