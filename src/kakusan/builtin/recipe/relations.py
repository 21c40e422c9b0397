"""How objects stand to one another, and all ways to say so."""

import functools
from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """How objects (a and b; three where c is named) stand to one another, in both languages."""

    name: str
    english: tuple[str, ...]
    japanese: tuple[str, ...]

    @functools.cached_property
    def forms(self) -> dict[tuple[str, bool], tuple[str, ...]]:
        """What it is said in, by language ("english", "japanese") and whether of three objects."""
        said = {"english": self.english, "japanese": self.japanese}
        return {
            (language, three): tuple(form for form in forms if ("{c}" in form) == three)
            for language, forms in said.items()
            for three in (False, True)
        }


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "left of",
        (
            *("{a} to the left of {b}", "{a} left of {b}", "{a} on the left and {b} on the right"),
            *("{a} on the left of {b}", "{a} on the left, {b} on the right"),
        ),
        (
            "{b}の左に{a}",
            "{b}の左にある{a}",
            "左に{a}、右に{b}",
            "{b}の左側に{a}",
            "{a}が{b}の左にいる",
        ),
    ),
    Relation(
        "right of",
        (
            *("{a} to the right of {b}", "{a} right of {b}"),
            *("{a} on the right and {b} on the left", "{a} on the right of {b}"),
            "{a} on the right, {b} on the left",
        ),
        (
            "{b}の右に{a}",
            "{b}の右にある{a}",
            "右に{a}、左に{b}",
            "{b}の右側に{a}",
            "{a}が{b}の右にいる",
        ),
    ),
    Relation(
        "above",
        ("{a} above {b}", "{a} over {b}", "{a} high above {b}", "{a} floating above {b}"),
        ("{b}の上方に{a}", "{b}の真上に{a}", "{b}の真上の{a}", "{b}の上空に{a}"),
    ),
    Relation(
        "below",
        ("{a} below {b}", "{a} under {b}", "{a} beneath {b}", "{a} underneath {b}"),
        (
            "{b}の下に{a}",
            "{b}の真下に{a}",
            "{b}の下の{a}",
            "{b}の下にいる{a}",
            "{a}が{b}の下にいる",
        ),
    ),
    Relation(
        "on",
        (
            *("{a} on {b}", "{a} sitting on {b}", "{a} on top of {b}", "{a} standing on {b}"),
            *("{a} is sitting on {b}", "{a} lying on {b}"),
        ),
        (
            *("{b}の上に{a}", "{b}の上の{a}", "{b}の上に座る{a}", "{b}の上にいる{a}"),
            *("{b}の上に座っている{a}", "{a}が{b}の上にいる", "{b}に座る{a}"),
        ),
    ),
    Relation(
        "riding",
        ("{a} riding {b}", "{a} rides {b}", "{a} riding on {b}", "{a} is riding {b}"),
        ("{b}に乗る{a}", "{b}に乗った{a}", "{a}が{b}に乗っている", "{b}に乗っている{a}"),
    ),
    Relation(
        "inside",
        ("{a} inside {b}", "{a} in {b}", "{a} in front of {b}", "{b} behind {a}"),
        (
            *("{b}の中の{a}", "{b}の中に{a}", "{b}の中にいる{a}", "{b}の前の{a}", "{b}の前に{a}"),
            "{b}の前にいる{a}",
        ),
    ),
    Relation(
        "beside",
        (
            *("{a} beside {b}", "{a} next to {b}", "{a} and {b}", "{a} with {b}", "{a}, {b}"),
            *("{a} and {b}", "{a} and {b}", "{a} and {b}", "{a} with {b}"),  # what most write
            *(
                "{a} near {b}",
                "{a} by {b}",
                "{a} & {b}",
                "{a} + {b}",
                "{a} vs {b}",
                "{a} with {b} next to it",
                "{a} and also {b}",
            ),
            *("{a}, {b} and {c}", "{a}, {b}, {c}", "{a} and {b} and {c}", "{a}, {b}, and {c}"),
            *("{a} with {b} and {c}", "{a} together with {b}", "{a}, {b} and {c} together"),
        ),
        (
            *(
                "{b}の隣の{a}",
                "{b}のそばの{a}",
                "{a}と{b}",
                "{b}の横に{a}",
                "{a}、{b}",
                "{b}の隣に{a}",
            ),
            *("{a}と{b}", "{a}と{b}", "{a}と{b}", "{a}と{b}"),  # what most write
            *("{b}と{a}", "{b}の近くの{a}", "{a}と{b}がいる", "{a}が{b}の隣にいる"),
            *("{a}と{b}が一緒にいる", "{a}と一緒の{b}", "{a}と{b}が並んでいる"),
            *(
                "{a}と{b}と{c}",
                "{a}と{b}と{c}",
                "{a}、{b}、{c}",
                "{a}と{b}、{c}",
                "{a}、{b}と{c}",
                "{a}と{b}と{c}がいる",
                "{a}と{b}と{c}が一緒にいる",
            ),
        ),
    ),
    Relation(
        "between",
        ("{a} between {b} and {c}", "{a} in between {b} and {c}"),
        ("{b}と{c}の間に{a}", "{b}と{c}の間の{a}", "{b}と{c}の間にいる{a}"),
    ),
    Relation(
        "flying in",
        (
            *("{a} flying", "{a} is flying", "{a} flies", "{a} flying high"),
            "{a} soaring",
        ),
        ("飛んでいる{a}", "飛ぶ{a}", "{a}が飛んでいる", "{a}が飛ぶ", "飛んでる{a}"),
    ),
)
RELATION_NAMED = {relation.name: relation for relation in RELATIONS}
