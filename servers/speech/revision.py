"""The revision of the builtin engine: raised with every change by which the same bytes may give another answer."""

REVISION = "pocketsphinx-5.1.1-en-us+1"
