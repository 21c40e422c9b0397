"""What the package index is told beyond pyproject.toml: links, and a README whose links lead there.

On the index there is no folder beside the README, so what lies in the repository is linked to where
the repository is, as it was at the version's tag.
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
README = "README.md"
# ![text](path) and [text](path) of files beside the README
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<path>(?![a-z]+:|#)[^)\s]+)\)")


def urls(repository: str, version: str) -> dict[str, str]:
    """The links beside the description."""
    return {
        "Changelog": f"{repository}/blob/v{version}/CHANGELOG.md",
        "Documentation": f"{repository}/tree/v{version}/docs",
        "Issues": f"{repository}/issues",
        "Repository": repository,
    }


def readme(repository: str, version: str) -> str:
    """README.md, with whole addresses in place of paths."""

    def whole(link: re.Match[str]) -> str:
        kind = "raw" if link["picture"] else "blob"
        address = f"{repository}/{kind}/v{version}/{link['path']}"
        return f"{link['picture']}[{link['text']}]({address})"

    return LINK.sub(whole, (ROOT / README).read_text(encoding="utf-8"))


def get_metadata_hook() -> type:
    """What Hatch asks for: its base class is only there while it builds."""
    from hatchling.metadata.plugin.interface import MetadataHookInterface

    class Links(MetadataHookInterface):
        """Called when the version is known."""

        def update(self, metadata: dict[str, Any]) -> None:
            repository, version = self.config["repository"], metadata["version"]
            metadata["urls"] = urls(repository, version)
            text = readme(repository, version)
            metadata["readme"] = {"content-type": "text/markdown", "text": text}

    return Links
