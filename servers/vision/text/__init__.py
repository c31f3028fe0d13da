"""The words of a picture."""

from servers.vision.text.crop import read_line
from servers.vision.text.language import language_of
from servers.vision.text.page import read_words, warm
from servers.vision.text.word import Word

__all__ = ["Word", "language_of", "read_line", "read_words", "warm"]
