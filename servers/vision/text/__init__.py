"""The words of a picture."""

from servers.vision.text.crop import read_line
from servers.vision.text.page import read_words
from servers.vision.text.recogniser import warm
from servers.vision.text.word import Word

__all__ = ["Word", "read_line", "read_words", "warm"]
