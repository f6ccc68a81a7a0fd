"""The table of the ways in which stores and CDNs sign URLs.

A row says by which query parameters, or by which part of the path, a signature is recognised, and when it ends. Sources
are the pages of each vendor on presigned URLs, SAS, URL authentication and token authentication (editions of 2026).
:mod:`~airflow_provider_videoretalk.outbound.signed_url` uses the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_videoretalk.outbound import signature_expiry as end_of

_ANY = ".+"
# The named groups are times, see signature_expiry.time_in.
_UNIX = r"(?P<unix>\d{10})"
_TIME = r"(?P<unix>\d{10})|(?P<milliseconds>\d{13})|(?P<iso>\d{4}-\d\d-\d\d.*)"
_HEXADECIMAL = "(?P<hexadecimal>[5-9a-fA-F][0-9a-fA-F]{7})"

# The last segment of a path names a media file. Without it, a parameter such as ``token`` may be what names the object.
_MEDIA_FILE = (
    r"(?:/.*)?/[^/]+\.(?i:mp4|m4v|mov|avi|mkv|webm|flv|mpe?g|ts|m3u8|mpd|wav|mp3|m4a|aac|flac|ogg|opus|pcm|amr|wma"
    r"|jpe?g|png|bmp|webp|gif|tiff?|heic|srt|vtt)"
)

# Names that mean a signature, and nothing else.
_SIGNATURE = r"s?sig|sign|signature|url_?signature|hmac|auth|auth_?key|md5hash|(?:[a-z]{2})?secret"

_VERSION_4 = (
    r"x-[a-z0-9]+-(?:algorithm|credential|date|expires|signed-?headers|signed-?queries|signature|signature-version"
    r"|access-key-id|additional-headers|content-sha256|policy|ac-[a-z-]+)|x-amz-.*|x-goog-.*"
)
_KEY_IDS = r"[a-z]*access_?key_?id|googleaccessid|ucloudpublickey|key-pair-id|hash-algorithm"
_AZURE_SAS = r"sv|ss|srt|sr|sp|st|se|spr|sip|si|skoid|sktid|skt|ske|sks|skv|saoid|suoid|scid|sdd|sdi|ses|sduoid|skdutid"

_TYPE_A_HASH = r"-[^-]+-[^-]+-"
_AKAMAI = r"(?:.*~)?exp=(?P<unix>\d{10})~(?:.*~)?hmac=\w+.*"
_MEDIA_CDN = r"(?:.*~)?expires=(?P<unix>\d{10})~(?:.*~)?signature=[\w=-]+.*"

JWT = r"eyJ[\w-]{6,}\.[\w-]{8,}\.[\w-]*"

Query = Mapping[str, str]
"""The decoded values of a query's parameters, by their names in lower case."""


@dataclass(frozen=True, kw_only=True)
class QueryScheme:
    """A signature in query parameters.

    :param needs: the parameters that mark it, each as patterns of its name and its value
    :param belongs: pattern of the names of further parameters that belong to it
    :param path: pattern that the URL's path must have; ``None`` for any path
    :param end: reads the end, if it is not a named group of ``needs``
    :param end_is_earliest: the URL states a time to which the CDN adds a period that the URL does not state
    :param only_with_end: it is recognised only if an end can be read
    :param temporary: the end is not in the URL, and is some hours or days away
    """

    name: str
    needs: tuple[tuple[str, str], ...]
    belongs: str = ""
    path: re.Pattern[str] | None = None
    end: Callable[[Query], datetime | None] | None = None
    end_is_earliest: bool = False
    only_with_end: bool = False
    temporary: bool = False


@dataclass(frozen=True, kw_only=True)
class PathScheme:
    """A signature in a path.

    :param pattern: found in the path. Its group ``cut`` is the signature: whole segments, without the slashes around
        them. It may have groups that are times
    :param end_is_earliest: see :class:`QueryScheme`
    """

    name: str
    pattern: re.Pattern[str]
    end_is_earliest: bool = False


QUERY_SCHEMES: tuple[QueryScheme, ...] = (
    QueryScheme(
        name="S3 version 4",
        needs=((r"x-[a-z0-9]+-signature", _ANY),),
        belongs=_VERSION_4,
        end=end_of.version_4,
    ),
    QueryScheme(
        name="Expires and Signature",
        needs=((_SIGNATURE, _ANY), (r"expires?", rf"{_TIME}|\d+")),
        belongs=_KEY_IDS,
    ),
    QueryScheme(
        name="Expires and Signature",
        needs=((_SIGNATURE, _ANY), (r"expiration|expires_at|deadline|exp|e", _TIME)),
        belongs=_KEY_IDS,
    ),
    QueryScheme(
        name="CloudFront policy",
        needs=(("policy", _ANY), ("signature", _ANY), ("key-pair-id", _ANY)),
        belongs=_KEY_IDS,
        end=end_of.cloudfront_policy,
    ),
    QueryScheme(
        name="Azure SAS",
        needs=(("sig", _ANY), ("sv|se|ske", r"\d{4}-\d\d-\d\d.*")),
        belongs=_AZURE_SAS,
        end=end_of.azure_sas,
    ),
    QueryScheme(
        name="Tencent COS",
        needs=(("q-signature", _ANY), ("q-ak|q-sign-time|q-key-time", _ANY)),
        belongs=r"q-(?:sign-algorithm|ak|sign-time|key-time|header-list|url-param-list)",
        end=end_of.tencent_cos,
    ),
    QueryScheme(
        name="Tencent COS sign=",
        needs=(("sign", r"q-sign-algorithm=.*q-signature=.*|[\w+/-]{40,}={0,2}"),),
        end=end_of.tencent_cos_sign,
        only_with_end=True,
    ),
    QueryScheme(
        name="Baidu BOS",
        needs=(("authorization", r"bce-auth-v\d/.+"),),
        belongs="x-bce-date",
        end=end_of.baidu_bos,
    ),
    QueryScheme(name="Qiniu", needs=(("e", _UNIX), ("token", r"[\w-]+:[\w=-]+"))),
    QueryScheme(name="Upyun", needs=(("_upt", rf"[0-9a-z]{{8}}{_UNIX}"),)),
    QueryScheme(
        name="CDN type A",
        needs=((_SIGNATURE, rf"{_UNIX}{_TYPE_A_HASH}\w+"),),
        end_is_earliest=True,
    ),
    QueryScheme(
        name="CDN type A",
        # Tencent's CDN lets its user choose the parameter's name.
        needs=((r"\w+", rf"{_UNIX}{_TYPE_A_HASH}[0-9a-f]{{32}}"),),
        end_is_earliest=True,
    ),
    QueryScheme(
        name="CDN type C or D",
        needs=(
            (rf"{_SIGNATURE}|key1", r"[\w=+/-]{8,}"),
            (r"t|ts|time|timestamp|key2|(?:[a-z]{2})time", rf"{_UNIX}|{_HEXADECIMAL}"),
        ),
        end_is_earliest=True,
    ),
    QueryScheme(name="Akamai", needs=((r"\w+", _AKAMAI),)),
    QueryScheme(name="Google Media CDN", needs=((r"[\w-]+", _MEDIA_CDN),)),
    QueryScheme(name="Cloudflare", needs=(("verify", rf"{_UNIX}-.+"),), end_is_earliest=True),
    QueryScheme(name="Fastly", needs=((r"token|auth|verify|sig|__gda__", rf"{_UNIX}_[0-9a-f]{{8,}}"),)),
    QueryScheme(
        name="Token and expiry",
        # Bunny, KeyCDN, nginx secure_link, imgix.
        needs=((r"token|md5|st|s", r"[\w=+/-]{6,}"), (r"expires?|e|exp", _UNIX)),
        belongs=r"token_(?:path|countries|countries_blocked|ver)",
        path=re.compile(_MEDIA_FILE),
    ),
    QueryScheme(name="CDN77", needs=(("secure", rf"[\w-]{{8,}}={{0,2}},{_UNIX}"),)),
    QueryScheme(
        name="Supabase",
        needs=(("token", _ANY),),
        path=re.compile(r"/storage/v1/(?:object|render/image)/sign/.+"),
        end=end_of.json_web_token,
    ),
    QueryScheme(
        name="Backblaze B2",
        needs=(("authorization", r"(?!bce-auth).+"),),
        path=re.compile(r"/file/[^/]+/.+"),
        temporary=True,
    ),
    QueryScheme(name="Firebase", needs=(("token", _ANY),), belongs="alt", path=re.compile(r"/v0/b/[^/]+/o/.+")),
    QueryScheme(
        name="OpenStack Swift",
        needs=(("temp_url_sig", _ANY), ("temp_url_expires", _TIME)),
        belongs=r"temp_url_(?:prefix|ip_range)",
    ),
    QueryScheme(name="ImageKit", needs=(("ik-s", _ANY), ("ik-t", _UNIX))),
    QueryScheme(name="x-signature", needs=(("x-signature", _ANY), ("x-expires", _UNIX))),
    QueryScheme(
        name="Discord",
        needs=(("hm", "[0-9a-f]{16,}"), ("ex", _HEXADECIMAL)),
        belongs="is",
    ),
    QueryScheme(name="SharePoint", needs=(("tempauth", _ANY),), end=end_of.json_web_token, temporary=True),
)

# In a path only whole signatures at fixed places count: a part of an object's name must not be taken for one.
PATH_SCHEMES: tuple[PathScheme, ...] = (
    PathScheme(
        name="CDN type B",
        pattern=re.compile(rf"\A/(?P<cut>(?P<beijing_minute>20\d{{10}})/[0-9a-f]{{32}})(?={_MEDIA_FILE}\Z)"),
        end_is_earliest=True,
    ),
    PathScheme(
        name="CDN type C or D",
        pattern=re.compile(rf"\A/(?P<cut>[0-9a-f]{{32}}/{_HEXADECIMAL})(?={_MEDIA_FILE}\Z)"),
        end_is_earliest=True,
    ),
    PathScheme(name="CDN77", pattern=re.compile(rf"\A/(?P<cut>[\w-]{{22}}={{0,2}},{_UNIX})(?=/.)")),
    PathScheme(
        name="Token and expiry", pattern=re.compile(rf"\A/(?P<cut>bcdn_token=[^/]+?&expires={_UNIX}[^/]*)(?=/.)")
    ),
    PathScheme(
        name="Akamai",
        pattern=re.compile(
            rf"/(?P<cut>(?:\w+=)?(?:[a-z]+=[^~/]*~)*exp={_UNIX}~(?:[^/]*~)?hmac=[0-9a-f]{{8,}}[^/]*)(?=/.)"
        ),
    ),
    PathScheme(
        name="Google Media CDN",
        pattern=re.compile(
            r"/(?P<cut>edge-cache-token=[^/]*Expires=(?P<unix>\d{10})~[^/]*Signature=[\w=-]+)(?=/.)", re.IGNORECASE
        ),
    ),
    PathScheme(
        name="Oracle pre-authenticated request",
        pattern=re.compile(r"\A/p/(?P<cut>[\w-]{20,})(?=/n/[^/]+/b/[^/]+/o/.)"),
    ),
)
