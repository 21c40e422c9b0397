"""AUTOMATIC1111's versions, and what its old ones did otherwise.

Source: modules/infotext_versions.py of the web UI 1.10.
"""

import re

_WEBUI = re.compile(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-RC|rc)?(?:-(\d{1,5})-g[0-9a-f]+)?")
_FORGE = re.compile(r"f\d[\w.-]{0,40}?v(\d+\.\d+\.\d+.*)")

Version = tuple[int, int, int, int]
WITH_SCHEDULE_TYPES: Version = (1, 9, 0, 0)
_TIMELINES: Version = (1, 6, 0, 0)
_ZERO_SNR: Version = (1, 7, 0, 225)
_REFINER: Version = (1, 8, 0, 0)


def is_forge(text: str) -> bool:
    return _FORGE.match(text) is not None


def webui_version(text: str | None) -> Version | None:
    """The web UI's version, of Forge the one that it is made from; None for another tool's."""
    if text is None:
        return None
    forge = _FORGE.match(text)
    match = _WEBUI.match(forge[1] if forge else text)
    if match is None:
        return None
    return int(match[1]), int(match[2]), int(match[3]), int(match[4] or 0)


def quirks_of(version: Version | None, prompt: str, sampler: str, refined: bool) -> list[str]:
    """What that version did otherwise, by the names of `Settings.quirks`."""
    if version is None:
        return []
    found = {
        "old_prompt_timelines": version < _TIMELINES and "[" in prompt,
        "pad_conds_v0": version < _TIMELINES and sampler in ("DDIM", "PLMS"),
        "downcast_alphas_cumprod": version < _ZERO_SNR,
        "refiner_by_sampling_steps": version < _REFINER and refined,
    }
    return [name for name, applies in found.items() if applies]
