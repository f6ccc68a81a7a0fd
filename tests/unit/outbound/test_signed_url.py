"""An object stays the same however its URL is signed; the end is read, and no secret is shown."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from s3fs import S3FileSystem
from signed_urls import FIRST, SCHEMES, SECOND, Scheme, code, digest, jwt

from airflow_provider_videoretalk.outbound.signature_expiry import claims_of, json_web_token
from airflow_provider_videoretalk.outbound.signature_schemes import PATH_SCHEMES, QUERY_SCHEMES
from airflow_provider_videoretalk.outbound.signed_url import (
    expiry_is_earliest,
    expiry_of,
    has_signed_url,
    has_unknown_signature,
    safe_text,
    safe_url,
    secrets_of,
    uses_temporary_credentials,
    without_signature,
    without_signatures,
)

by_name = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)


@by_name
def test_a_new_signature_is_the_same_object(scheme: Scheme) -> None:
    first, second = scheme.twice
    assert first != second
    assert without_signature(first) == without_signature(second)
    assert without_signature(scheme.other) != without_signature(first)


@by_name
def test_its_end(scheme: Scheme) -> None:
    for url, end in zip(scheme.twice, (FIRST, SECOND), strict=True):
        assert expiry_of(url) == (datetime.fromtimestamp(end, tz=timezone.utc) if scheme.ends else None)
        assert expiry_is_earliest(url) == (scheme.ends == "earliest")
        assert uses_temporary_credentials(url) == scheme.temporary
        assert not has_unknown_signature(url)
        assert has_signed_url(f"Download {url} now.")


@pytest.mark.parametrize(
    "text",
    [
        "no URL",
        "https://h.example/a.mp4",
        "https://h.example/a.mp4?versionId=3&x-oss-process=video/snapshot",
        "s3://conn@bucket/4f1c2d3e4b5a69788796a5b4c3d2e1f0.mp4#5d41402abc4b2a76b9719d911017c592",
        "file:///videos/a.mp4",
    ],
)
def test_what_is_no_signed_url(text: str) -> None:
    assert not has_signed_url(text)


def test_an_unknown_signature_counts_too() -> None:
    assert has_signed_url("https://h.example/a.mp4?hdnea=exp=1796001000~hmac=cafe0123cafe0123cafe0123cafe0123")


@by_name
def test_its_secrets_are_masked_and_not_shown(scheme: Scheme) -> None:
    for url, text in zip(scheme.twice, ("one", "two"), strict=True):
        parts = urlsplit(url)
        masked = url
        for secret in secrets_of(url):
            masked = masked.replace(secret, "***")
        for shown in (safe_url(url), safe_text(f"Download {url} failed."), masked, without_signature(url)):
            assert not any(secret[:20] in unquote(shown) for secret in (digest(text), code(text), "a1b2c3d4"))
            assert "eyJ" not in shown
        assert safe_url(url).startswith(f"{parts.scheme}://{parts.netloc}/")
        assert safe_url(url).endswith((".mp4", "/download", ".aspx"))


@by_name
def test_what_selects_content_stays(scheme: Scheme) -> None:
    first, second = scheme.twice
    join = "&" if "?" in first else "?"
    for parameter in (
        "versionId=3HL4kqtJ",
        "response-content-type=video%2Fmp4",
        "x-oss-process=video%2Fsnapshot",
        "w=2",
    ):
        selected = {without_signature(f"{url}{join}{parameter}") for url in (first, second)}
        assert len(selected) == 1
        assert parameter in selected.pop()
        assert without_signature(f"{first}{join}{parameter}") != without_signature(f"{first}{join}{parameter}9")


def test_the_cases_of_the_report() -> None:
    cases = json.loads((Path(__file__).parent / "signed_urls.json").read_text())
    for case in cases:
        assert len({without_signature(url) for url in case["urls"]}) == 1, case["scheme"]
        ends = [expiry_of(url) for url in case["urls"]]
        assert [end and end.timestamp() for end in ends] == case["ends_at"], case["scheme"]
        for url in case["urls"]:
            assert not re.search("cafe0123|beef4567", safe_url(url) + without_signature(url)), case["scheme"]


def test_every_scheme_has_an_example() -> None:
    """Each row of the table is what recognises one of the examples."""
    urls = [scheme.twice[0] for scheme in SCHEMES]
    for row in PATH_SCHEMES:
        assert any(row.pattern.search(urlsplit(url).path) for url in urls), row
    for scheme in QUERY_SCHEMES:
        name, value = scheme.needs[0]
        pairs = [(key.lower(), text) for url in urls for key, text in parse_qsl(urlsplit(url).query)]
        found = any(re.fullmatch(name, key) and re.fullmatch(value, text, re.I) for key, text in pairs)
        assert found, scheme


def test_the_documentation_names_every_scheme() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "operators.md").read_text()
    rows = [line.split("|")[1].strip() for line in documented.splitlines() if line.startswith("|")]
    named = {name.strip() for row in rows for name in row.split(",")}
    assert {scheme.name for scheme in (*QUERY_SCHEMES, *PATH_SCHEMES)} <= named


def cloudfront(*ends: int) -> str:
    statements = [{"Condition": {"DateLessThan": {"AWS:EpochTime": end}}} for end in ends]
    policy = base64.b64encode(json.dumps({"Statement": statements}).encode()).decode()
    return f"Policy={policy.translate(str.maketrans('+=/', '-_~'))}&Signature=ab&Key-Pair-Id=K"


@pytest.mark.parametrize(
    "query",
    [
        f"X-Goog-Date=20261130T000000Z&X-Goog-Expires=60&X-Goog-Signature={digest('a')}"
        f"&X-Amz-Date=20261130T000000Z&X-Amz-Expires=30&X-Amz-Signature={digest('b')}",
        cloudfront(1_796_000_060, 1_795_996_830),
        "q-sign-algorithm=sha1&q-ak=A&q-sign-time=1;1795996830&q-key-time=1;1796000060&q-signature=ab",
        "q-sign-algorithm=sha1&q-ak=A&q-sign-time=1;1796000060&q-key-time=1;1795996830&q-signature=ab",
        "sv=2024-11-04&sr=b&sig=abc%3D&se=2026-12-01&ske=2026-11-30T00:00:30Z",
    ],
)
def test_the_earliest_of_several_ends_counts(query: str) -> None:
    assert expiry_of(f"https://h/a.mp4?{query}") == datetime(2026, 11, 30, 0, 0, 30, tzinfo=timezone.utc)


def test_the_order_of_parameters_does_not_matter() -> None:
    signature = f"Expires={FIRST}&OSSAccessKeyId=AK&Signature=abcdef"
    one = without_signature(f"https://b/k.mp4?{signature}&versionId=v1&response-expires=0")
    other = without_signature(f"https://b/k.mp4?response-expires=0&{signature}&versionId=v1")
    assert one == other == "https://b/k.mp4?response-expires=0&versionId=v1"


MD5, ANOTHER_MD5 = digest("content"), digest("another content")

NOT_SIGNED = [
    ("https://h/a.mp4?v=1", "https://h/a.mp4?v=2"),
    ("https://h/get?token=Ab12Cd34Ef56Gh78", "https://h/get?token=Zz98Yy76Xx54Ww32"),
    (f"https://h/get?token=Ab12Cd34Ef56Gh78&expires={FIRST}", f"https://h/get?token=Zz98Yy76Xx54Ww32&expires={FIRST}"),
    (f"https://h/get.php?md5={MD5}&expires={FIRST}", f"https://h/get.php?md5={ANOTHER_MD5}&expires={FIRST}"),
    (f"https://h/a.mp4?hash={MD5}&t={FIRST}", f"https://h/a.mp4?hash={ANOTHER_MD5}&t={FIRST}"),
    ("https://h/a.mp4?sign=abcdefgh&e=5", "https://h/a.mp4?sign=abcdefgh&e=6"),
    (f"https://h/{MD5}/a.mp4", f"https://h/{ANOTHER_MD5}/a.mp4"),
    (f"https://h/{MD5}/{MD5[:8]}x/a.mp4", f"https://h/{ANOTHER_MD5}/{MD5[:8]}x/a.mp4"),
    (f"https://h/20261130/{MD5}/a.mp4", f"https://h/20261130/{ANOTHER_MD5}/a.mp4"),
    (f"https://h/209913402960/{MD5}/a.mp4", f"https://h/209913402960/{ANOTHER_MD5}/a.mp4"),
    (f"https://h/uploads/202611300900/{MD5}/a.mp4", f"https://h/uploads/202611300900/{ANOTHER_MD5}/a.mp4"),
    (f"https://h/202611300900/{MD5}.mp4", f"https://h/202611300900/{ANOTHER_MD5}.mp4"),
    (f"https://h/202611300900/{MD5}/page", f"https://h/202611300900/{ANOTHER_MD5}/page"),
    ("https://h/p/short/n/ns/b/b/o/k", "https://h/p/other/n/ns/b/b/o/k"),
    ("https://h/exp=1/a.mp4", "https://h/exp=2/a.mp4"),
    (
        f"https://h/dl?keyname=a.mp4&Expires={FIRST}&Signature=x",
        f"https://h/dl?keyname=b.mp4&Expires={FIRST}&Signature=x",
    ),
    (f"https://h/dl?kid=1&e={FIRST}&sign=x", f"https://h/dl?kid=2&e={FIRST}&sign=x"),
    ("https://h/dl?sig=x&sv=1", "https://h/dl?sig=x&sv=2"),
    ("https://h/d?authorization=Ab12Cd34", "https://h/d?authorization=Zz98Yy76"),
    (
        "https://h/v1/x-tos/k.mp4?x-tos-signature=a&x-tos-process=1",
        "https://h/v1/x-tos/k.mp4?x-tos-signature=a&x-tos-process=2",
    ),
]


@pytest.mark.parametrize(("one", "another"), NOT_SIGNED)
def test_two_objects_are_never_taken_for_one(one: str, another: str) -> None:
    assert without_signature(one) != without_signature(another)


def test_two_objects_that_only_a_token_names() -> None:
    def url(claims: dict[str, Any]) -> str:
        return f"https://h/download?token={jwt(claims, 'k')}"

    assert without_signature(url({"file": "a", "exp": FIRST})) == without_signature(url({"exp": SECOND, "file": "a"}))
    assert without_signature(url({"file": "a", "exp": FIRST})) != without_signature(url({"file": "b", "exp": FIRST}))
    assert expiry_of(url({"file": "a", "exp": FIRST})) == datetime.fromtimestamp(FIRST, tz=timezone.utc)


@pytest.mark.parametrize(
    "end",
    ["Expires=1796001600", "Expires=1796001600999", "expires_at=1796001600000", "Expires=2026-11-30T01:20:00Z"],
)
def test_the_forms_of_a_time(end: str) -> None:
    """Seconds or milliseconds since the epoch, or ISO 8601."""
    assert expiry_of(f"https://h/a.mp4?{end}&Signature=abcdef") == datetime.fromtimestamp(FIRST, tz=timezone.utc)


def test_only_parameters_with_a_prefix_end_a_signature_of_version_4() -> None:
    signed = f"X-Amz-Date=20261130T000000Z&X-Amz-Expires=30&X-Amz-Signature={digest('b')}"
    url = f"https://h/a.mp4?{signed}&own-signature=1&own-expires=1790000000"
    assert expiry_of(url) == datetime(2026, 11, 30, 0, 0, 30, tzinfo=timezone.utc)


def test_the_digest_before_the_fields_of_an_old_cos_signature_is_not_read() -> None:
    """It is 20 bytes, of any value."""
    value = base64.b64encode(b"&e=1790000000&abcdef" + f"e={FIRST}&a=125&k=AKID".encode()).decode()
    assert expiry_of(
        f"https://b-125.file.myqcloud.com/a.mp4?sign={value.replace('=', '%3D')}"
    ) == datetime.fromtimestamp(FIRST, tz=timezone.utc)


@pytest.mark.parametrize("name", ["token", "tempauth"])
def test_the_end_of_a_token(name: str) -> None:
    assert json_web_token({name: jwt({"exp": FIRST}, "k")}) == datetime.fromtimestamp(FIRST, tz=timezone.utc)


def test_the_claims_of_a_token() -> None:
    """Also of one without its signature. What the signature may spell is not read."""
    header, claims, signature = jwt({"exp": FIRST}, "k").split(".")
    assert claims_of(f"{header}.{claims}.{signature}") == {"exp": FIRST}
    assert claims_of(f"{header}.{claims}") == {"exp": FIRST}
    assert claims_of(claims) is None
    assert claims_of(f"{header}.{claims}.{jwt({'exp': SECOND}, 'k').split('.')[1]}") == {"exp": FIRST}


def test_a_signature_in_a_path_takes_its_slash_along() -> None:
    assert without_signature(f"https://h/202611300900/{MD5}/a.mp4") == "https://h/a.mp4"


def test_a_path_is_shown_up_to_2048_characters() -> None:
    path = "/" + "spring-" * 292 + "abc"
    assert safe_url(f"https://h{path}") == f"https://h{path}"
    assert safe_url(f"https://h{path}d") == f"https://h{path}***"


def test_two_tokens_in_a_path() -> None:
    one, two = jwt({"file": "a", "exp": SECOND}, "k"), jwt({"folder": "b", "exp": FIRST}, "k")
    url = f"https://h/{one}/x/{two}/a.mp4"
    assert safe_url(url) == "https://h/***/x/***/a.mp4"
    assert {one, two} <= set(secrets_of(url))
    assert expiry_of(url) == datetime.fromtimestamp(FIRST, tz=timezone.utc)
    later = f"https://h/{jwt({'file': 'a', 'exp': SECOND + 1}, 'l')}/x/{two}/a.mp4"
    swapped = f"https://h/{two}/x/{one}/a.mp4"
    assert without_signature(url) == without_signature(later) != without_signature(swapped)


@pytest.mark.parametrize("secret", [f"token={jwt({'exp': FIRST}, 'k')}", f"sign={MD5}"])
def test_a_query_with_one_secret_is_secret_as_a_whole(secret: str) -> None:
    assert f"v=1&{secret}" in secrets_of(f"https://h/a.mp4?v=1&{secret}")


def test_what_is_only_like_a_token_stays() -> None:
    """Two empty objects in Base64 are no header and claims."""
    url = "https://h/a.mp4?part=e30.e30"
    assert without_signature(url) == url


@pytest.mark.parametrize("claim", ["iat", "exp", "nbf", "jti", "nonce"])
def test_what_differs_between_two_tokens_for_one_object(claim: str) -> None:
    one, another = (f"https://h/download?token={jwt({'file': 'a', claim: FIRST + n}, 'k')}" for n in (0, 60))
    assert without_signature(one) == without_signature(another)


UNKNOWN = [
    f"https://h/a.mp4?sign={MD5}",
    f"https://h/a.mp4?x-acme-sig={MD5}",
    f"https://h/a.mp4?auth={MD5}",
    f"https://h/a.mp4?hmac={code('x')}",
    f"https://h/a.mp4?access_token={code('x')}",
    f"https://h/a.mp4?ticket={code('x')}",
    f"https://h/a.mp4?expires={FIRST}&k={code('x')}",
    f"https://h/a.mp4?{code('x', 60)}",
    f"https://h/{code('x', 86)}/a.mp4",
    f"https://h/get?token={code('x')}&expires={FIRST}",
    "https://h/a.mp4?Signature=abcdefgh",
    f"https://h/202611300900/a.mp4?Expires={FIRST}&Signature=x&their_hmac={MD5}",
]


@pytest.mark.parametrize("url", UNKNOWN)
def test_an_unknown_signature_is_told_and_masked(url: str) -> None:
    assert has_unknown_signature(url)
    masked = url
    for secret in secrets_of(url):
        masked = masked.replace(secret, "***")
    for shown in (masked, safe_url(url)):
        assert not any(secret in shown for secret in (MD5, code("x"), "abcdefgh"))


@pytest.mark.parametrize(
    "url",
    [
        "https://h/a.mp4",
        "https://h/a.mp4?v=2&lang=en",
        "https://h/a.mp4?versionId=3HL4kqtJlcpXroDTDmJ%2BrmSpXd3dIbrHY",
        "https://h/a.mp4?key=presenter_english_2026",
        "https://h/a.mp4?design=modern-office-2",
        f"https://h/{digest('a', 128)}.mp4",
        "https://h/" + "a-long-title-of-a-video-about-spring-" * 4 + ".mp4",
        "oss://dashscope-instant/0123456789abcdef/2026-11-25/0123456789abcdef/clip.mp4",
        "https://b.s3.amazonaws.com/k.mp4?X-Amz-Signature=abcdefgh&X-Amz-Date=20261130T000000Z&x-id=GetObject",
    ],
)
def test_what_is_not_signed_is_not_told_as_signed(url: str) -> None:
    assert not has_unknown_signature(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@h:8080/a.mp4?x=1#f", "https://h:8080/a.mp4"),
        ("https://h/a.mp4%3FX-Amz-Signature%3Dhush", "https://h/a.mp4"),
        ("https://h/100%25%3F.mp4", "https://h/100%25%3F.mp4"),
        ("https://h/a.mp4;jsessionid=hush", "https://h/a.mp4"),
        ("https:/user:hush@h/a.mp4", "https:///h/a.mp4"),
        ("https://[hush/a.mp4?x", "https://***"),
        ("tenletters://[hush/a.mp4", "tenletters://***"),
        # What is no scheme in use may be secret.
        ("hushletters://[h/a.mp4", "//***"),
        ("hush-hush://[h/a.mp4", "//***"),
        ("a.mp4?Signature=hush", "a.mp4"),
        ("", ""),
    ],
)
def test_the_safe_form(url: str, shown: str) -> None:
    assert safe_url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Download https://h/a.mp4?sig=hush timeout.", "Download https://h/a.mp4 timeout."),
        ("(see https://h/a.mp4?sig=hush).", "(see https://h/a.mp4)."),
        ('{"url": "https://u:hush@h/a.mp4?sig=hush"}', '{"url": "https://h/a.mp4"}'),
        ("Max retries exceeded with url: /k.mp4?X-Amz-Date=1&X-Amz-Signature=hush (Caused by", None),
        ("GET /k.mp4?sign=hush HTTP/1.1", None),
        ("nothing to hide: a=b, c://", "nothing to hide: a=b, c://"),
    ],
)
def test_a_text_of_others(text: str, shown: str | None) -> None:
    assert "hush" not in safe_text(text)
    if shown is not None:
        assert safe_text(text) == shown


def test_a_password_is_masked() -> None:
    assert secrets_of("https://user:p%40ssword@h/a.mp4") == ["p%40ssword", "p@ssword"]
    # Airflow masks no text of less than five characters.
    assert secrets_of("https://user:12345@h/a.mp4") == ["12345"]
    assert secrets_of("https://user:1234@h/a.mp4") == []
    assert secrets_of("https://h/a.mp4?v=2&title=hello") == []


def test_urls_in_a_json_value() -> None:
    first, second = SCHEMES[0].twice
    assert without_signatures({"a": [first, 1], "b": "no URL"}) == without_signatures({"a": [second, 1], "b": "no URL"})


@pytest.mark.parametrize(
    "end",
    [
        "2026-11-30",
        "2026-11-30T00:00Z",
        "2026-11-30T00:00:00Z",
        "2026-11-30T00:00:00.0000000Z",
        "2026-11-30T08:00+08:00",
    ],
)
@pytest.mark.usefixtures("in_shanghai")
def test_the_forms_of_a_time_in_a_sas(end: str) -> None:
    url = f"https://a.blob.core.windows.net/c/k.mp4?sv=2024-11-04&sr=b&sig=abc%3D&se={end.replace('+', '%2B')}"
    assert expiry_of(url) == datetime(2026, 11, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "url",
    [
        "https://h/k.mp4?Expires=99999999999999999999&Signature=x",
        "https://h/k.mp4?X-Amz-Date=20269999T999999Z&X-Amz-Expires=600&X-Amz-Signature=x",
        "https://h/k.mp4?X-Amz-Date=20261130T000000Z&X-Amz-Expires=" + "9" * 400 + "&X-Amz-Signature=x",
        "https://h/k.mp4?sv=2024-11-04&sig=x&si=policy",
        "https://h/k.mp4?authorization=bce-auth-v1/AK/2026-11-30T00:00:00Z/-1/host/abc",
        "https://h/k.mp4?Policy=bm8&Signature=x&Key-Pair-Id=K",
        *(
            f"https://h/k.mp4?token=eyJhbGciOiJub25lIn0.{base64.urlsafe_b64encode(claims).decode()}.x"
            for claims in (b"[" * 3000, b'{"a":' * 900 + b"1" + b"}" * 900, b'{"exp": 1e400}', b'{"exp": "soon"}')
        ),
    ],
)
def test_an_end_that_cannot_be_read(url: str) -> None:
    assert expiry_of(url) is None
    assert "Signature=x" not in without_signature(url)


LONG = {
    "one kind of signature": "https://h/" + "exp=1234567890~" * 2000 + "/a.mp4",
    "question marks": "https://h/" + "%3f" * 8000,
    "logins": "https://h/" + "a:b" * 8000,
    "dots": "https://h/" + "a.b" * 8000 + f"?token=abcdefgh&expires={FIRST}",
    "names": "x-signature" * 3000 + "://" * 5000 + "-" * 40_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts_of_others_do_not_hold_up(text: str) -> None:
    """A pattern that tries each pair of places takes minutes."""
    assert len(safe_url(text)) < 2100 or "://" not in text[:100]
    safe_text(text)
    secrets_of(text)
    without_signature(text)


# Other signers than the examples.


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzEJr"])
def test_the_signer_of_airflows_s3_store(version: str, token: str | None) -> None:
    store = S3FileSystem(
        key="AKIDEXAMPLE",
        secret="c2VjcmV0",
        token=token,
        client_kwargs={"region_name": "eu-west-1"},
        config_kwargs={"signature_version": version},
        skip_instance_cache=True,
    )

    def sign(seconds: int, version_id: str = "v1") -> str:
        url: str = store.sign(
            "bucket/a/k.mp4", expiration=seconds, VersionId=version_id, ResponseContentType="video/mp4"
        )
        return url

    before = datetime.now(timezone.utc).timestamp()
    one, two = sign(600), sign(7200)
    assert without_signature(one) == without_signature(two)
    assert without_signature(sign(600, "v2")) != without_signature(one)
    end = expiry_of(two)
    assert end is not None
    assert 7190 <= end.timestamp() - before <= 7260
    assert uses_temporary_credentials(one) == (token is not None)
    assert "AKID" not in safe_url(one)


# Properties.

WORDS = st.sampled_from(
    [
        *sorted({word for scheme in SCHEMES for url in scheme.twice for word in re.split(r"[/?&]", url)}),
        *("", "=", "%", "\ud800"),
    ]
)
URLS = st.one_of(
    st.text(),
    st.lists(WORDS, max_size=8).map(lambda words: "https://h/" + "/".join(words[:3]) + "?" + "&".join(words[3:])),
    st.text().map(lambda text: f"https://h/{text}"),
    st.text().map(lambda text: f"https://h/k.mp4?Expires={FIRST}&Signature={text}"),
)


@given(URLS)
def test_no_text_raises_an_error(text: str) -> None:
    identity = without_signature(text)
    assert without_signature(identity) == identity
    assert safe_url(safe_url(text)) == safe_url(text)
    safe_text(text)
    secrets_of(text)
    expiry_is_earliest(text)
    uses_temporary_credentials(text)
    has_unknown_signature(text)
    end = expiry_of(text)
    assert end is None or end.tzinfo is not None


@given(
    st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~%", min_size=1, max_size=12), max_size=4),
    st.dictionaries(
        st.sampled_from(["v", "lang", "w", "versionId", "fmt", "page", "title"]), st.text("abc123", max_size=9)
    ),
)
def test_the_identity_of_an_unsigned_url_is_itself(segments: list[str], query: dict[str, str]) -> None:
    url = f"https://h/{'/'.join(segments)}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
    assert without_signature(url) == url
    assert expiry_of(url) is None


OSS = "Expires=1995000000&OSSAccessKeyId=k&Signature=abcdefgh"


@pytest.mark.parametrize("place", ["s3://b/a.mp4", "ftp://h/a.mp4", "https:///a.mp4", "/srv/a.mp4"])
def test_what_is_no_web_address_has_no_signature(place: str) -> None:
    """An object's key and a file's name may have a question mark."""
    name = f"{place}?{OSS}"
    assert (expiry_of(name), without_signature(name)) == (None, name)


@pytest.mark.parametrize(("length", "is_read"), [(32_768, True), (32_769, False)])
def test_no_longer_address_is_read(length: int, is_read: bool) -> None:
    url = f"https://h/a.mp4?{OSS}&x="
    url += "a" * (length - len(url))
    assert (expiry_of(url) is not None, has_unknown_signature(url)) == (is_read, not is_read)


@pytest.mark.parametrize(("length", "is_read"), [(8192, True), (8193, False)])
def test_no_longer_parameter_is_a_signature(length: int, is_read: bool) -> None:
    """What is longer is masked as an unknown one."""
    token = "t" * length
    url = f"https://h/a.mp4?OSSAccessKeyId=id&Expires=1800000000&Signature={token}"
    assert (expiry_of(url) is not None) == is_read
    assert token not in safe_url(url)
