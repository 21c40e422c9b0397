"""The grammars of prompts: AUTOMATIC1111's, ComfyUI's, compel's; chunks; without torch."""

from kakusan.prompts.attention import escape as escape
from kakusan.prompts.choices import has_choices as has_choices
from kakusan.prompts.choices import left_as_text as left_as_text
from kakusan.prompts.choices import resolve as resolve
from kakusan.prompts.chunks import Chunk as Chunk
from kakusan.prompts.chunks import Piece as Piece
from kakusan.prompts.chunks import chunks_of as chunks_of
from kakusan.prompts.parsed import BREAK as BREAK
from kakusan.prompts.parsed import Network as Network
from kakusan.prompts.parsed import ParsedPrompt as ParsedPrompt
from kakusan.prompts.parsed import Part as Part
from kakusan.prompts.parsed import Segment as Segment
from kakusan.prompts.parsed import Timed as Timed
from kakusan.prompts.parsed import at_call as at_call
from kakusan.prompts.plain import differs as differs
from kakusan.prompts.syntaxes import SYNTAXES as SYNTAXES
from kakusan.prompts.syntaxes import parse as parse
