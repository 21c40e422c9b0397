"""Published arguments of loading that change nothing here, and the values of them that would."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kakusan.errors import RequestError, check_no_unknown, shown


@dataclass(frozen=True)
class Published:
    """An argument of the reference's calls.

    Attributes:
        harmless: the values that change nothing here; None where none of them does.
        instead: what to do where another value is given.
    """

    harmless: tuple[object, ...] | None = None
    instead: str = ""

    def check(self, name: str, value: object) -> None:
        """Raise RequestError for a value that cannot be honoured."""
        if self.harmless is None:
            return
        if not any(type(value) is type(each) and value == each for each in self.harmless):
            raise RequestError(f"{name}={shown(value)} cannot be done: {self.instead}")


_OFF = (None, False)
_NO_CODE = "no code that comes with a model is run; leave it out"
_NO_ONNX = "kakusan computes with PyTorch; leave it out"

# Of every `from_pretrained`. Files are mapped, not read into memory, and never offloaded.
LOADING = {
    "low_cpu_mem_usage": Published(),
    "offload_folder": Published(),
    "offload_state_dict": Published(),
    "offload_buffers": Published(),
    "disable_mmap": Published(),
    "resume_download": Published(),
    "max_memory": Published(
        (None,), "weights are not spread over devices; leave it out, or enable_model_cpu_offload"
    ),
    "proxies": Published((None, {}), "set HTTPS_PROXY in the environment"),
    "mirror": Published((None, ""), "set HF_ENDPOINT in the environment to the mirror's address"),
    "output_loading_info": Published(_OFF, "weights that do not fit are an error"),
    "ignore_mismatched_sizes": Published(_OFF, "weights that do not fit are an error"),
    "from_flax": Published(_OFF, "Flax's files are not read; use another revision"),
    "from_tf": Published(_OFF, "TensorFlow's files are not read; use another revision"),
    "trust_remote_code": Published(_OFF, _NO_CODE),
    "quantization_config": Published((None,), "weights are not quantised yet"),
    "use_flashpack": Published(_OFF, "only safetensors and .bin files are read"),
    "attn_implementation": Published((None, "eager", "sdpa"), 'use "sdpa"'),
}
# Of a pipeline's besides
PIPELINE_LOADING = {
    **LOADING,
    "requires_safety_checker": Published(),
    "custom_pipeline": Published((None,), _NO_CODE),
    "custom_revision": Published((None,), _NO_CODE),
    "use_onnx": Published(_OFF, _NO_ONNX),
    "provider": Published((None,), _NO_ONNX),
    "provider_options": Published((None,), _NO_ONNX),
    "sess_options": Published((None,), _NO_ONNX),
    "dduf_file": Published((None,), "DDUF files are not read; give a folder"),
    "load_connected_pipeline": Published(_OFF, "load the other pipeline by itself"),
    "return_cached_folder": Published(_OFF, "kakusan.checkpoints.source.locate gives the folder"),
}
# Of parts without weights: what is said of weights does not concern them
WEIGHTLESS_LOADING = {
    **LOADING,
    **dict.fromkeys(
        ("torch_dtype", "dtype", "variant", "use_safetensors", "device_map", "use_fast"),
        Published(),
    ),
}

# Of every `save_pretrained`
SAVING = {
    "is_main_process": Published((None, True), "call it in the main process alone"),
    "save_function": Published((None,), "files are written by kakusan itself"),
    "state_dict": Published((None,), "load the weights into the network first"),
    "legacy_format": Published(),
    "filename_prefix": Published((None, ""), "other programs would not find the files"),
}


def check_published(
    where: str,
    given: Mapping[str, object],
    table: Mapping[str, Published],
    known: Iterable[str] = (),
) -> None:
    """Refuse what is given beside the arguments that act, unless it changes nothing.

    Args:
        where: the call, for the message.
        known: the arguments that act, to name the nearest.

    Raises:
        UnknownArgumentError: an argument that does not exist.
        RequestError: a value that would have to change something.
    """
    given = {name: value for name, value in given.items() if name != "use_auth_token"}
    check_no_unknown(where, sorted(set(given) - set(table)), {*known} or {*table})
    for name, value in given.items():
        table[name].check(name, value)


def token_of(token: str | bool | None, given: Mapping[str, object]) -> str | bool | None:
    """The token, which was called `use_auth_token` once.

    Raises:
        RequestError: both are given and disagree, or it is none.
    """
    old = given.get("use_auth_token")
    if not isinstance(old, str | bool | None):
        raise RequestError("use_auth_token must be a text, True or False")
    if token is not None and old is not None and token != old:
        raise RequestError("token and use_auth_token disagree; give token alone")
    return old if token is None else token
