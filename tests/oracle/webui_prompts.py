"""Writes tests/prompts/webui.json: what AUTOMATIC1111's own parser makes of prompts.

    python tests/oracle/webui_prompts.py FOLDER tests/prompts/webui.json

FOLDER has `prompt_parser.py` and `comments.py` of AUTOMATIC1111/stable-diffusion-webui 1.10
(modules/ and modules/processing_scripts/); `pip install lark`. It was run with lark 1.3.1. Where
brackets do not balance, older versions, such as the 1.1.2 that the tool asks for, take one of
several readings by chance, by Python's hash seed.
"""

import ast
import importlib
import json
import random
import re
import sys
import types
from pathlib import Path
from typing import Any

PIECES = (
    *(
        "a",
        "b ",
        " ",
        "cat",
        "[",
        "]",
        "(",
        ")",
        ":",
        "|",
        ":3",
        ":0.5",
        ":.25",
        "[a:b:3]",
        "[c|d]",
    ),
    *("(e:1.2)", "\\", "\\[", "\\)", "[x:2]", "\n", "1", "5", " 7 ", "[y::0.8]", "- ", "+", "."),
    *("BREAK", " BREAK ", "AND", " AND ", ":1.3", " :-0.5", "# c\n", "é", "猫", "\u3000", ", "),
)
WHENS = ("3", "0.5", ".2", "1.", " 4 ", "+2", "-1", "1e0", "1.5", "12", "10%", "", "0.04", "1.0")
WEIGHTS = ("1.2", ".5", "-1", " 1.1 ", "+1.5", "1.", "x", "", "1,2", "0")
WRITTEN = """(cat)|((cat))|(cat:1.3)|[cat]|[[cat]]|((cat:1.2) dog)|(a[b])|[(a:2)]|((a:1.5):2)
a (b:1.5|((a|a b)|(a)b)c|(a:b:1.2)|(a: 1.2 )|(a:-0.5)|(a:.5)|(a:+1.5)|(a, b:0)|(a:1,2)|(a:)|a:1.2
(a:1.2)(b:1.2)|\\(a\\)|(a \\(b\\):1.2)|a\\\\b|a\\b|[a:1.5]||()|a BREAK b|BREAK|aBREAKb
(a BREAK b:1.2)|a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).|[a:b:0.5]|[a:b:5]|[a:b:.25]
[a:b:1]|[a:b:1.0]|[a:b:20]|[a:b:0]|[a:b:0.04]|[a:b:-1]|[a::3]|[b:3]|[:b:3]|[a:[b:c:7]:3]
[[a:b:3]:c:7]|[a : b : 2 ]|[a, b:c, d:2]|a [b:c:2.5]|(a:1.2) [b:(c:1.3):2]|[a:b]|[a]|[a:b:c:2]
[from:to:when]|\\[a:b:2]|{a}|a cat :1.2 AND a dog :0.5|(a:1.2):2 AND b|A BAND B|a and b| AND a
a AND |a [b:c:2] AND d [e:3]:1.1|(a:1.1) AND b BREAK c:-1""".replace("\n", "|").split("|")
BARRED = (
    *("x [a|b] y", "[a|b|c]", "[a|]", "[a|[b:c:2]]", "[a|b:c]", "(a|b)", "{a|b}", "a|b"),
    *("[[a|b]:c:2]", "[a:b:0.5] [c|d]", "[|]", "[a|(b:1.2)]", "[a||b]", "[a\\|b|c]", "[a|b] |"),
)


def parser(folder: Path) -> Any:
    """The tool's module, without torch."""
    torch = types.ModuleType("torch")
    torch.Tensor = object  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["torch"] = torch
    sys.path.insert(0, str(folder))
    module: Any = importlib.import_module("prompt_parser")
    for node in ast.parse((folder / "comments.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "strip_comments":
            scope: dict[str, Any] = {"re": re}
            exec(ast.unparse(node), scope)
            module.strip_comments = scope["strip_comments"]
    return module


def read(module: Any, case: dict[str, Any]) -> Any:
    """Each part's weight and schedule; None where the tool breaks."""
    text = module.strip_comments(case["prompt"])
    indexes, flat, _ = module.get_multicond_prompt_list([text])
    try:
        schedules = module.get_learned_conditioning_prompt_schedules(
            flat, case["steps"], case["hires_steps"], case["old"]
        )
        return [
            [
                weight,
                [[n, said, module.parse_prompt_attention(said)] for n, said in schedules[index]],
            ]
            for index, weight in indexes[0]
        ]
    except ValueError:
        return None


def prompts() -> list[str]:
    numbers = random.Random(15)

    def grown(depth: int) -> str:
        kind = numbers.random()
        if depth > 2 or kind < 0.3:
            return numbers.choice(
                ("a", "b c", "d, ", "\\(e\\)", " ", "f", "", "g\\|", "(h)", "BREAK")
            )
        if kind < 0.45:
            return f"[{grown(depth + 1)}:{grown(depth + 1)}:{numbers.choice(WHENS)}]"
        if kind < 0.55:
            return f"[{grown(depth + 1)}:{numbers.choice(WHENS)}]"
        if kind < 0.62:
            return f"[{'|'.join(grown(depth + 1) for _ in range(numbers.randint(2, 4)))}]"
        if kind < 0.72:
            return f"({grown(depth + 1)}:{numbers.choice(WEIGHTS)})"
        if kind < 0.8:
            return f"({grown(depth + 1)})"
        return "".join(grown(depth + 1) for _ in range(numbers.randint(2, 3)))

    found = [*WRITTEN, *BARRED, *(grown(0) for _ in range(160))]
    found += ["".join(numbers.choices(PIECES, k=numbers.randint(2, 10))) for _ in range(160)]
    return list(dict.fromkeys(text for text in found if len(text) < 70))


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    module = parser(folder)
    kept: list[dict[str, Any]] = []
    for number, text in enumerate(prompts()):
        steps, hires = ((10, None), (4, None), (10, 10), (4, 5), (1, None))[number % 5]
        case = {"prompt": text, "steps": 4 if text in BARRED else steps}
        case |= {"hires_steps": hires, "old": number % 7 == 0}
        if text in WRITTEN or text in BARRED:
            case |= {"hires_steps": None, "old": False}
            case["steps"] = 4 if text in BARRED else 10
        kept.append({**case, "parts": read(module, case)})
    lines = ",\n".join(json.dumps(each) for each in kept)
    out.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(len(kept), "prompts")


if __name__ == "__main__":
    main()
