"""Whatever bytes come as a form: its parts, or a refusal, and nothing else."""

from __future__ import annotations

import httpx
from hypothesis import given
from hypothesis import strategies as st

from servers.kit.errors import InvalidField, TooLarge
from servers.router.openai.forms import MAX_PARTS, read_form

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='"\\%'), min_size=1, max_size=20
)
CONTENT = st.binary(max_size=300) | st.sampled_from([b"\r\n--b", b"\r\n--b--", b"--b\r\n", b"\r", b"\r\n\r\n"])
BODIES = st.lists(
    st.sampled_from(
        [
            *(b"--b", b"--", b"\r\n", b"\n", b"b", b'content-disposition: form-data; name="a"', b"; filename=x", b":"),
            *(b"content-disposition: form-data", b"content-type: text/plain; charset=utf-7", b"content-length: 3"),
            b" folded",
        ]
    )
    | st.binary(max_size=8),
    max_size=30,
).map(b"".join)


@given(
    st.lists(
        st.tuples(NAMES, st.text(st.characters(codec="utf-8"), max_size=50)), max_size=6, unique_by=lambda f: f[0]
    ),
    st.lists(st.tuples(NAMES, NAMES, CONTENT), min_size=1, max_size=4),
)
def test_what_a_client_writes_is_read_as_it_was(fields, files):
    parts = [(name, (None, value)) for name, value in fields] + [
        (name, (file_name, content)) for name, file_name, content in files
    ]
    request = httpx.Request("POST", "http://x", files=parts)
    form = read_form(request.headers["content-type"], request.read())
    assert form.fields == {name: [value] for name, value in fields}
    for name in {name for name, _, _ in files}:
        assert form.files[name] == [content for other, _, content in files if other == name]


@given(BODIES, st.sampled_from(["b", "bb", '"b"', "b; charset=x", "", "\xff", '"']))
def test_what_nobody_would_write_is_read_or_refused(body, boundary):
    try:
        form = read_form(f"multipart/form-data; boundary={boundary}", body)
    except (InvalidField, TooLarge):
        return
    assert sum(map(len, form.fields.values())) + sum(map(len, form.files.values())) <= MAX_PARTS


@given(st.data())
def test_a_form_that_is_cut_anywhere_is_never_taken_for_whole(data):
    request = httpx.Request("POST", "http://x", data={"model": "m"}, files={"file": ("a.wav", b"\r\n--sound\r\n")})
    body = request.read()
    cut = data.draw(st.integers(0, len(body) - 3))  # the line break after its end says nothing
    try:
        read_form(request.headers["content-type"], body[:cut])
    except InvalidField:
        return
    raise AssertionError(f"{body[:cut]!r} was taken for whole")
