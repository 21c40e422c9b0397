"""Four requests of the built-in model: one after the other, together, and as a plain batch.

    python -m benchmarks.joined [--repeats 7] [--threads 1]

The four have different prompts, schedulers and seeds, and 25 steps each. Interleaved; medians, and
the ratio to one after the other.
"""

import argparse

import torch

import kakusan
from benchmarks.measure import environment, interleaved, markdown_table
from kakusan.pipeline import draw_together

STEPS = 25
PROMPTS = ("a cat on red", "a dog", "two foxes on teal", "a house at night")
SCHEDULERS = ("ddim", "euler-a", "dpmpp-2m", "lms")
REQUESTS = [
    kakusan.Request.of(prompt, seed=seed, scheduler=scheduler, num_inference_steps=STEPS)
    for seed, (prompt, scheduler) in enumerate(zip(PROMPTS, SCHEDULERS, strict=True))
]
# One at a time they take other times, so the plain batch is beside four of its own
SAME = [kakusan.Request.of(p, seed=i, num_inference_steps=STEPS) for i, p in enumerate(PROMPTS)]
BATCH = kakusan.Request.of(PROMPTS, seed=0, num_inference_steps=STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    calls = {
        "four, one after the other": lambda: [list(pipe.pictures(each)) for each in REQUESTS],
        "the four together": lambda: list(draw_together(pipe, REQUESTS)),
        "four alike, one after the other": lambda: [list(pipe.pictures(each)) for each in SAME],
        "the four alike, a plain batch": lambda: list(pipe.pictures(BATCH, batch_size=4)),
    }
    seconds = interleaved(calls, repeats=options.repeats)
    names = list(calls)
    rows = [
        (name, f"{seconds[name]:.2f}", f"{seconds[name] / seconds[names[index // 2 * 2]]:.2f}")
        for index, name in enumerate(names)
    ]
    print(f"{environment()}; {options.threads} thread(s); medians of {options.repeats}\n")
    print(markdown_table(("what", "seconds", "of one after the other"), rows))


if __name__ == "__main__":
    main()
