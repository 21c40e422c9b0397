"""From what a client asks for to a request: names of the catalog, and pictures that are kept."""

import json
import secrets
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kakusan.errors import ArgumentError, InputError, nearest, shown
from kakusan.request import RANDOM_SEEDS, Request
from kakusan.request.loras import Lora, loras_of
from kakusan.request.masks import with_usual_mask
from kakusan.request.second_pass import second_pass_of
from kakusan.request.tiled import upscale_of
from kakusan.server.ahead import check_ahead
from kakusan.server.errors import FieldError
from kakusan.server.fields import ALLOWED, CONTROL_FIELDS, IMAGE_PROMPT_FIELDS, REFUSED
from kakusan.server.pictures import InputPicture
from kakusan.server.problems import field_of
from kakusan.server.settings import Settings
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Kind

if TYPE_CHECKING:  # torch comes with them
    from kakusan.inputs import ControlInput, Given, Inputs, Masks, SeenPictures

_LONGEST_CONFIG = 20_000  # characters of a scheduler's
_TEXTS = ("prompt", "negative_prompt")


class Asked(NamedTuple):
    """What a client asks for, checked.

    Attributes:
        request: with a seed, and with the hashes of its pictures.
        inputs: the ids of these pictures.
    """

    request: Request
    inputs: tuple[str, ...]


def asked(given: Mapping[str, Any], *, catalog: Catalog, server: Settings) -> Asked:
    """The request for settings under the names of a `Request`; None is nothing given.

    `image` and `mask` are `InputPicture`s, one or several; a mask may also be "alpha" or a shape
    such as "box:0,0,64,64". `controls` are mappings of `CONTROL_FIELDS`, `image_prompts` of
    `IMAGE_PROMPT_FIELDS`.

    Raises:
        InputError: A field does not exist, is not a client's to say, or cannot be used.
    """
    check_fields(given)
    settings = {name: value for name, value in given.items() if value is not None}
    if "prompt" not in settings:
        raise FieldError("prompt", "prompt is missing; say what to draw")
    pictures = _Pictures()
    settings |= _named(settings, catalog)
    settings |= pictures.of(settings, catalog)
    settings.setdefault("seed", secrets.randbelow(RANDOM_SEEDS))
    if settings.get("variation_strength") and "variation_seed" not in settings:
        settings["variation_seed"] = secrets.randbelow(RANDOM_SEEDS)
    _check_mappings(settings)
    request = _with_choices(Request.of(**settings), settings, server)
    _check_texts(request)
    _check_adapters_in_prompts(request, catalog)
    check_size(request, pictures.first, server)
    check_ahead(request, pictures.inputs(), catalog)
    return Asked(request, tuple(dict.fromkeys(pictures.ids)))


def check_fields(given: Mapping[str, Any]) -> None:
    """Raise `FieldError` for a field that does not exist, or that is not a client's to say."""
    for name in given:
        if name in REFUSED and given[name] is not None:
            raise FieldError(name, f"{name} cannot be set by a request: {REFUSED[name]}")
        if name not in ALLOWED and name not in REFUSED:
            said = shown(name)
            raise FieldError(name[:60], f"there is no field {said}.{nearest(name, ALLOWED)}")


def _named(settings: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The fields that name something of the catalog, by its own names."""
    model = settings.get("model", catalog.usual_model.name)
    found: dict[str, Any] = {"model": _name(catalog, "model", model, "model")}
    if "vae" in settings:
        found["vae"] = _name(catalog, "vae", settings["vae"], "vae")
    if (loras := loras_of(settings.get("loras"))) is not None:
        found["loras"] = [
            Lora(_name(catalog, "lora", each.name, "loras"), *each[1:]) for each in loras
        ]
    if "embeddings" in settings:
        found["embeddings"] = [_embedding(each, catalog) for each in listed(settings["embeddings"])]
    return found


def _embedding(given: object, catalog: Catalog) -> dict[str, Any]:
    told = given if isinstance(given, Mapping) else {"file": given}
    entry = {str(key): value for key, value in cast("Mapping[object, Any]", told).items()}
    if entry.keys() - {"file", "token"} or "file" not in entry:
        raise FieldError(
            "embeddings", 'each of embeddings is a name, or {"file": NAME, "token": WORD}'
        )
    return {**entry, "file": _name(catalog, "embedding", entry["file"], "embeddings")}


def _name(catalog: Catalog, kind: Kind, given: object, field: str) -> str:
    if not isinstance(given, str):
        raise FieldError(field, f"{field} must be a name of the catalog, not {shown(given)}")
    try:
        return catalog.find(kind, given).name
    except InputError as error:
        raise FieldError(field, str(error)) from None


class _Pictures:
    """The pictures of a request, as they come up.

    Attributes:
        ids: of all.
        first: width and height of the first that a picture begins at.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.first: tuple[int, int] | None = None
        self._image: Given | None = None
        self._masks: Masks | None = None
        self._controls: list[ControlInput] = []
        self._seen: list[SeenPictures] = []

    def of(self, settings: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
        """The fields that tell of pictures, with their hashes."""
        from kakusan.inputs import given_masks, given_pictures

        found: dict[str, Any] = {}
        image = mask = None
        if "image" in settings:
            image = given_pictures("image", self._images("image", settings["image"]))
            assert image is not None
            found["image"], self.first = image.files(), image.sizes[0]
        if "mask" in settings:
            masks = [self._mask(each) for each in listed(settings["mask"])]
            mask = given_masks("mask", masks, files=True, picture=image)
            assert mask is not None
            found["mask"] = mask.files()
        self._image, self._masks = image, mask
        if mask is not None or "outpaint" in settings:
            names = () if mask is None else mask.names
            found = with_usual_mask({**settings, **found}, names)
        if "controls" in settings:
            each = listed(settings["controls"])
            found["controls"] = [self._control(one, catalog) for one in each]
        if "image_prompts" in settings:
            each = listed(settings["image_prompts"])
            found["image_prompts"] = [self._prompt(one, catalog) for one in each]
        return found

    def inputs(self) -> "Inputs":
        """What the request is told of, to be checked with it."""
        from kakusan.inputs import Inputs

        return Inputs(
            image=self._image,
            mask=self._masks,
            controls=tuple(self._controls),
            seen=tuple(self._seen),
        )

    def _images(self, field: str, given: object) -> list[Any]:
        several = listed(given)
        if not several:
            raise FieldError(field, f"{field} is an empty list; give at least one picture")
        for each in several:
            if not isinstance(each, InputPicture):
                raise FieldError(field, f"{field} must be a picture, not {shown(each)}")
        found = cast("list[InputPicture]", several)
        self.ids += [each.id for each in found]
        return [each.image for each in found]

    def _mask(self, given: object) -> object:
        from kakusan.inputs.shapes import is_shape

        if isinstance(given, str) and is_shape(given):
            return given
        return self._images("mask", given)[0]

    def _control(self, given: object, catalog: Catalog) -> Any:
        from kakusan.inputs import asked_controls

        told = _mapping("controls", given, CONTROL_FIELDS, needed=("image", "model"))
        name = _name(catalog, "controlnet", told["model"], "controls")
        images = self._images("controls", told["image"])
        steered = asked_controls([{**told, "image": images, "model": name}])
        assert steered.asked is not None
        self._controls += steered.given
        return steered.asked[0]._replace(image=steered.given[0].pictures.files())

    def _prompt(self, given: object, catalog: Catalog) -> dict[str, Any]:
        from kakusan.inputs import SeenPictures, given_pictures

        told = _mapping("image_prompts", given, IMAGE_PROMPT_FIELDS, needed=("images", "model"))
        pictures = given_pictures("image_prompts", self._images("image_prompts", told["images"]))
        assert pictures is not None
        self._seen.append(SeenPictures(pictures))
        name = _name(catalog, "ip_adapter", told["model"], "image_prompts")
        return {**told, "model": name, "images": pictures.files()}


def _mapping(
    field: str, given: object, known: Sequence[str], *, needed: Sequence[str]
) -> dict[str, Any]:
    items = cast("Mapping[object, Any]", given).items() if isinstance(given, Mapping) else ()
    told = {str(key): value for key, value in items if value is not None}
    if told.keys() - set(known) or set(needed) - told.keys():
        raise FieldError(
            field,
            f"each of {field} must be a mapping with {' and '.join(needed)}, and as wanted "
            f"{', '.join(each for each in known if each not in needed)}; not {shown(given)}",
        )
    return told


def listed(given: object) -> list[object]:
    """Several, or one, as a list."""
    return list(cast("Iterable[object]", given)) if isinstance(given, list | tuple) else [given]


def _check_mappings(settings: dict[str, Any]) -> None:
    """Read what has settings of its own; schedulers are built once, which says what theirs are."""
    for name, read in (("second_pass", second_pass_of), ("upscale", upscale_of)):
        if name in settings:
            with _about(name):
                settings[name] = read(settings[name])
    _check_config("scheduler", settings.get("scheduler"))
    if (second := settings.get("second_pass")) is not None:
        _check_config("second_pass", second.scheduler)


@contextmanager
def _about(field: str) -> Generator[None]:
    """Within, an error that names no field is about this one."""
    try:
        yield
    except InputError as error:
        if field_of(error) is None:
            raise FieldError(field, str(error)) from None
        raise


def _check_config(field: str, asked: object) -> None:
    from kakusan.pipeline.scheduling import check_scheduler
    from kakusan.request.checks import scheduler

    try:
        if isinstance(asked, Mapping) and len(json.dumps(asked)) > _LONGEST_CONFIG:
            raise FieldError(field, f"the settings of {field} are longer than anything published")
        with _about(field):
            check_scheduler(scheduler(asked))
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FieldError(field, str(error)) from None


def _check_texts(request: Request) -> None:
    for name in _TEXTS:
        if None in getattr(request, name):
            raise FieldError(name, f"{name} must be a text or a list of texts, not null")


def _with_choices(request: Request, settings: Mapping[str, Any], server: Settings) -> Request:
    """With every `{a|b}` and `__file__` made by each picture's seed, where prompts have them."""
    from kakusan.request.choices import choice_seeds, with_choices

    names = [name for name in _TEXTS if name in settings]
    seeds = choice_seeds(request.seed or 0, request.num_pictures)
    try:
        return with_choices(request, seeds, list(server.wildcards), names)
    except InputError as error:
        text = str(error)
        for folder in server.wildcards:  # which is nobody's business
            text = text.replace(str(folder), folder.name)
        raise FieldError("prompt", text) from None


def _check_adapters_in_prompts(request: Request, catalog: Catalog) -> None:
    from kakusan.interchange.taken import names_in

    if request.syntax != "webui":
        return
    for field in _TEXTS:
        for text in getattr(request, field):
            for name in names_in(text):
                _name(catalog, "lora", name, field)


def check_size(request: Request, first: tuple[int, int] | None, server: Settings) -> None:
    """Raise `ArgumentError` for more pictures, or larger ones, than the server draws."""
    if request.num_pictures > server.most_pictures:
        raise ArgumentError(
            "{num_images_per_prompt} asks for {0} pictures; this server draws at most {1} at once",
            request.num_pictures,
            server.most_pictures,
        )
    width, height = request.width or 0, request.height or 0
    sizes = [("width", (width, height))]
    if request.second_pass is not None and width and height:
        sizes.append(("second_pass", request.enlarged(width, height)))
    if request.upscale is not None and first is not None:
        sizes.append(("upscale", request.upscale.size(*first)))
    for name, (wide, high) in sizes:
        if wide * high > server.most_pixels:
            raise FieldError(
                name,
                f"{name} asks for {wide}x{high} pixels; this server draws at most "
                f"{server.most_pixels / 1e6:.1f} million",
            )
