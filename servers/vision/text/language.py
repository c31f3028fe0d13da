"""What language a text is in."""

from __future__ import annotations

import functools

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# Those written in letters that are read here.
_LANGUAGES = ["ca", "cs", "da", "de", "en", "es", "et", "fi", "fr", "hr", "hu", "is"]
_LANGUAGES += ["it", "lt", "lv", "nl", "no", "pl", "pt", "ro", "sk", "sl", "sv", "tr"]
# On words of charts ("January February March", "Median Household Income") less is a guess.
_LEAST_LETTERS = 16
_LEAST_PROBABILITY = 0.8


def language_of(text: str) -> str:
    """Return the ISO 639-1 code of a text's language; empty where it is too short or mixed to tell.

    Byte n-grams with naive Bayes (Lui and Baldwin 2012).
    """
    if sum(map(str.isalpha, text)) < _LEAST_LETTERS:
        return ""
    code, probability = _identifier().classify(text)
    return str(code) if probability >= _LEAST_PROBABILITY else ""


@functools.cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES)
    return identifier
