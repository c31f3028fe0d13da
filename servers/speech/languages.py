"""Languages by their tags (BCP 47)."""

from __future__ import annotations

from servers.kit.errors import InvalidField

ENGLISH = "en"


def primary(language: str) -> str:
    """Return the language of a tag without its region: "pt" of "pt-BR"."""
    return language.partition("-")[0].lower()


def check_english(language: str, field: str) -> None:
    """Refuse what an engine can't write down that knows English only.

    Args:
      language: as the caller named it; empty: not at all.
      field: of the request.
    Raises:
      InvalidField: it is another language.
    """
    if language and primary(language) not in (ENGLISH, "eng"):
        raise InvalidField(
            field, f"the builtin engine knows English only (en), not {language!r}; a model behind the router knows more"
        )
