"""Languages by their codes: OpenAI names them in English words where others give a code."""

from __future__ import annotations

# The languages that Whisper knows (its paper's appendix, and the model card of large-v3), by the words for them in
# OpenAI's answers. Two words for one language stand beside each other.
_KNOWN = """
af afrikaans; am amharic; ar arabic; as assamese; az azerbaijani; ba bashkir; be belarusian; bg bulgarian; bn bengali;
bo tibetan; br breton; bs bosnian; ca catalan,valencian; cs czech; cy welsh; da danish; de german; el greek; en english;
es spanish,castilian; et estonian; eu basque; fa persian; fi finnish; fo faroese; fr french; gl galician; gu gujarati;
ha hausa; haw hawaiian; he hebrew; hi hindi; hr croatian; ht haitian creole,haitian; hu hungarian; hy armenian;
id indonesian; is icelandic; it italian; ja japanese; jv javanese; ka georgian; kk kazakh; km khmer; kn kannada;
ko korean; la latin; lb luxembourgish,letzeburgesch; ln lingala; lo lao; lt lithuanian; lv latvian; mg malagasy;
mi maori; mk macedonian; ml malayalam; mn mongolian; mr marathi; ms malay; mt maltese; my myanmar,burmese; ne nepali;
nl dutch,flemish; nn nynorsk; no norwegian; oc occitan; pa punjabi,panjabi; pl polish; ps pashto,pushto; pt portuguese;
ro romanian,moldavian,moldovan; ru russian; sa sanskrit; sd sindhi; si sinhala,sinhalese; sk slovak; sl slovenian;
sn shona; so somali; sq albanian; sr serbian; su sundanese; sv swedish; sw swahili; ta tamil; te telugu; tg tajik;
th thai; tk turkmen; tl tagalog; tr turkish; tt tatar; uk ukrainian; ur urdu; uz uzbek; vi vietnamese; yi yiddish;
yo yoruba; yue cantonese; zh chinese,mandarin
"""
_CODES = {
    word: code
    for code, _, words in (one.strip().partition(" ") for one in _KNOWN.replace("\n", " ").split(";"))
    for word in words.split(",")
}


def code_of(told: str) -> str:
    """Return a language as BCP 47 writes it: of a word that is known its code, anything else as it was told."""
    return _CODES.get(told.strip().lower(), told)
