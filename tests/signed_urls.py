"""URLs as stores and CDNs sign them: the same object twice, and another object. Keys and signatures are made up."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

# Two ends, in seconds since the epoch.
FIRST, SECOND = 1_796_001_600, 1_796_009_400

Sign = Callable[[str, int, str], str]
"""Makes a URL of an object's path, an end, and a text that a signature is made of."""


@dataclass(frozen=True)
class Scheme:
    """A way to sign.

    :param ends: whether a URL states its end; ``"earliest"`` if a CDN adds a period to what it states
    :param temporary: whether it expires with credentials, at a time that it does not state
    """

    name: str
    sign: Sign
    ends: bool | str = True
    temporary: bool = False

    @property
    def twice(self) -> tuple[str, str]:
        return self.sign("videos/clip.mp4", FIRST, "one"), self.sign("videos/clip.mp4", SECOND, "two")

    @property
    def other(self) -> str:
        return self.sign("videos/other.mp4", FIRST, "one")


def digest(text: str, length: int = 32) -> str:
    """A signature in hexadecimal."""
    return hashlib.sha512(text.encode()).hexdigest()[:length]


def code(text: str, length: int = 27) -> str:
    """A signature in Base64, as it stands in a URL."""
    return base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()).decode()[:length]


def stamp(end: int, *, form: str = "%Y%m%dT%H%M%SZ", hours: int = 0) -> str:
    return datetime.fromtimestamp(end, tz=timezone(timedelta(hours=hours))).strftime(form)


def version_4(host: str, vendor: str, algorithm: str, more: str = "") -> Sign:
    def sign(path: str, end: int, text: str) -> str:
        names = {
            "Algorithm": algorithm,
            "Credential": f"AKID{text}%2F{stamp(end)[:8]}%2Fregion%2Fservice%2Frequest",
            "Date": stamp(end - 600),
            "Expires": "600",
            "SignedHeaders": "host",
            "Signature": digest(text, 64),
        }
        query = "&".join(f"X-{vendor}-{name}={value}" for name, value in names.items())
        return f"https://{host}/{path}?{query}{more.format(text=text)}"

    return sign


def jwt(claims: dict[str, object], text: str) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "HS256"}, claims)
    ]
    return ".".join([*parts, code(text, 43)])


def pattern(template: str) -> Sign:
    """A URL from a template with ``{path}``, ``{end}`` and the other names below."""

    def sign(path: str, end: int, text: str) -> str:
        return template.format(
            path=path,
            end=end,
            begin=end - 600,
            hexadecimal=f"{end:x}",
            minute=stamp(end, form="%Y%m%d%H%M", hours=8),
            iso=stamp(end, form="%Y-%m-%dT%H:%M:%SZ"),
            started=stamp(end - 600, form="%Y-%m-%dT%H:%M:%SZ"),
            md5=digest(text),
            sha=digest(text, 64),
            code=code(text),
            b64=code(text, 22),
            text=text,
        )

    return sign


def _cloudfront_policy(path: str, end: int, text: str) -> str:
    policy = {
        "Statement": [{"Condition": {"DateLessThan": {"AWS:EpochTime": end}}, "Resource": f"https://d1.cf.net/{path}"}]
    }
    encoded = base64.b64encode(json.dumps(policy).encode()).decode().translate(str.maketrans("+=/", "-_~"))
    return f"https://d1.cf.net/{path}?Policy={encoded}&Signature={code(text, 80)}__&Key-Pair-Id=K2JCJMDEHXQW5F"


def _old_cos(path: str, end: int, text: str) -> str:
    fields = f"a=125&b=bucket&k=AKID&e={end}&t={end - 600}&r={len(text)}&f=".encode()
    value = (
        base64.b64encode(hashlib.sha1(text.encode()).digest() + fields).decode().replace("+", "%2B").replace("=", "%3D")
    )
    return f"https://bucket-125.file.myqcloud.com/{path}?sign={value}"


def _supabase(path: str, end: int, text: str) -> str:
    token = jwt({"url": f"bucket/{path}", "iat": end - 600, "exp": end}, text)
    return f"https://ref.supabase.co/storage/v1/object/sign/bucket/{path}?token={token}"


def _stream(path: str, end: int, text: str) -> str:
    token = jwt({"sub": digest(path), "kid": digest("key"), "exp": end}, text)
    return f"https://customer-x1.cloudflarestream.com/{token}/downloads/default.mp4"


def _token_parameter(path: str, end: int, text: str) -> str:
    token = jwt({"sub": path, "exp": end, "jti": text}, text)
    return f"https://cdn.example.com/download?token={token}"


def _share_point(path: str, end: int, text: str) -> str:
    token = jwt({"aud": "tenant.sharepoint.com", "exp": str(end)}, text)
    return f"https://t.sharepoint.com/_layouts/15/download.aspx?UniqueId={digest(path)}&tempauth=v1.{token}"


S3, OSS, CDN = "https://b.s3.amazonaws.com", "https://b.oss-cn-beijing.aliyuncs.com", "https://cdn.example.com"
_AZURE = "https://a.blob.core.windows.net/box/{path}"
_COS = "https://b-125.cos.ap-beijing.myqcloud.com/{path}"
_COS_QUERY = (
    "q-sign-algorithm=sha1&q-ak=AKID{text}&q-sign-time={begin};{end}&q-key-time={begin};{end}&q-header-list=host"
    "&q-url-param-list=&q-signature={md5}"
)

SCHEMES = (
    Scheme("S3 version 4", version_4("b.s3.amazonaws.com", "Amz", "AWS4-HMAC-SHA256")),
    Scheme(
        "S3 version 4 with a session token",
        version_4("b.s3.amazonaws.com", "Amz", "AWS4-HMAC-SHA256", "&X-Amz-Security-Token=IQoJb3Jp{text}abc123"),
        temporary=True,
    ),
    Scheme("DigitalOcean Spaces", version_4("b.fra1.digitaloceanspaces.com", "Amz", "AWS4-HMAC-SHA256")),
    Scheme("GCS version 4", version_4("storage.googleapis.com/b", "Goog", "GOOG4-RSA-SHA256")),
    Scheme("OSS version 4", version_4("b.oss-cn-beijing.aliyuncs.com", "oss", "OSS4-HMAC-SHA256")),
    Scheme(
        "OSS version 4 with a security token",
        version_4("b.oss-cn-beijing.aliyuncs.com", "oss", "OSS4-HMAC-SHA256", "&x-oss-security-token=CAIS{text}abc123"),
        temporary=True,
    ),
    Scheme("Volcengine TOS", version_4("b.tos-cn-beijing.volces.com", "Tos", "TOS4-HMAC-SHA256")),
    Scheme("Huawei OBS version 4", version_4("b.obs.cn-north-4.myhuaweicloud.com", "Obs", "OBS4-HMAC-SHA256")),
    Scheme("a vendor of tomorrow", version_4("b.example.com", "Zed", "ZED4-HMAC-SHA256")),
    Scheme("S3 version 2", pattern(S3 + "/{path}?AWSAccessKeyId=AKID{text}&Signature={code}%3D&Expires={end}")),
    Scheme("OSS version 1", pattern(OSS + "/{path}?OSSAccessKeyId=AK{text}&Expires={end}&Signature={code}%3D")),
    Scheme(
        "OSS version 1 with a security token",
        pattern(
            OSS + "/{path}?security-token=CAIS{text}a1&OSSAccessKeyId=STS.{text}&Expires={end}&Signature={code}%3D"
        ),
        temporary=True,
    ),
    Scheme(
        "OSS version 2",
        pattern(
            OSS
            + "/{path}?x-oss-signature-version=OSS2&x-oss-expires={end}&x-oss-access-key-id=AK&x-oss-signature={code}"
        ),
    ),
    Scheme(
        "GCS version 2",
        pattern("https://storage.googleapis.com/b/{path}?GoogleAccessId=a@b.iam&Expires={end}&Signature={code}"),
    ),
    Scheme(
        "Huawei OBS",
        pattern(
            "https://b.obs.myhuaweicloud.com/{path}?AccessKeyId=AK&Expires={end}&Signature={code}&x-obs-security-token=g{text}"
        ),
        temporary=True,
    ),
    Scheme(
        "CloudFront",
        pattern("https://d1.cf.net/{path}?Expires={end}&Signature={code}__&Key-Pair-Id=K2JCJMDEHXQW5F"),
    ),
    Scheme("CloudFront policy", _cloudfront_policy),
    Scheme("Google Cloud CDN", pattern(CDN + "/{path}?Expires={end}&KeyName=key-1&Signature={code}%3D")),
    Scheme(
        "Azure service SAS",
        pattern(_AZURE + "?sv=2024-11-04&st={started}&se={iso}&sr=b&sp=r&spr=https&sig={code}%3D"),
    ),
    Scheme(
        "Azure account SAS",
        pattern(_AZURE + "?sv=2024-11-04&ss=b&srt=o&sp=r&se={iso}&st={started}&sig={code}%3D"),
    ),
    Scheme(
        "Azure user delegation SAS",
        pattern(
            _AZURE
            + "?skoid=o1&sktid=t1&skt={started}&ske={iso}&sks=b&skv=2024-11-04&sv=2024-11-04&se=2027-01-01T00:00:00Z"
            "&sr=b&sp=r&sig={code}%3D"
        ),
    ),
    Scheme("Tencent COS", pattern(_COS + "?" + _COS_QUERY)),
    Scheme("Tencent COS, encoded", pattern(_COS + "?" + _COS_QUERY.replace(";", "%3B"))),
    Scheme(
        "Tencent COS with a security token",
        pattern(_COS + "?" + _COS_QUERY + "&x-cos-security-token=4n{text}a1"),
        temporary=True,
    ),
    Scheme("Tencent COS in sign=", pattern(_COS + "?sign=" + _COS_QUERY.replace("&", "%26").replace("=", "%3D"))),
    Scheme("Tencent COS, JSON API", _old_cos),
    Scheme(
        "Baidu BOS",
        pattern(
            "https://b.bj.bcebos.com/{path}?authorization=bce-auth-v1%2FAK{text}%2F{started}%2F600%2Fhost%2F{sha}".replace(
                ":00Z", "%3A00Z"
            )
        ),
    ),
    Scheme("Qiniu", pattern("http://cdn.example.com/{path}?e={end}&token=AK_{text}:{code}=")),
    Scheme("Upyun", pattern("https://b.example.com/{path}?_upt=a1b2c3d4{end}")),
    Scheme("CDN type A", pattern(CDN + "/{path}?auth_key={end}-{text}-0-{md5}"), ends="earliest"),
    Scheme("CDN type A, own name", pattern(CDN + "/{path}?token={end}-{text}-0-{md5}"), ends="earliest"),
    Scheme("CDN type A, Tencent", pattern(CDN + "/{path}?sign={end}-{text}-0-{md5}"), ends="earliest"),
    Scheme("CDN type B", pattern(CDN + "/{minute}/{md5}/{path}"), ends="earliest"),
    Scheme("CDN type C", pattern(CDN + "/{md5}/{hexadecimal}/{path}"), ends="earliest"),
    Scheme("CDN type C in the query", pattern(CDN + "/{path}?KEY1={md5}&KEY2={hexadecimal}"), ends="earliest"),
    Scheme("CDN type D", pattern(CDN + "/{path}?sign={md5}&t={end}"), ends="earliest"),
    Scheme("CDN type D, hexadecimal", pattern(CDN + "/{path}?sign={md5}&t={hexadecimal}"), ends="earliest"),
    Scheme("Wangsu", pattern(CDN + "/{path}?wsSecret={md5}&wsTime={hexadecimal}"), ends="earliest"),
    Scheme("Akamai", pattern(CDN + "/{path}?hdnea=st={begin}~exp={end}~acl=/*~hmac={sha}")),
    Scheme("Akamai, encoded", pattern(CDN + "/{path}?__token__=exp%3D{end}%7Eacl%3D%2F%2A%7Ehmac%3D{sha}")),
    Scheme("Akamai in the path", pattern(CDN + "/exp={end}~acl=%2Fvideos%2F%2A~hmac={sha}/{path}")),
    Scheme(
        "Google Media CDN",
        pattern(CDN + "/{path}?edge-cache-token=URLPrefix=aHR0cHM~Expires={end}~KeyName=k~Signature={code}"),
    ),
    Scheme("Cloudflare", pattern(CDN + "/{path}?verify={end}-{code}%3D"), ends="earliest"),
    Scheme("Cloudflare Images", pattern("https://imagedelivery.net/h/{path}?exp={end}&sig={sha}")),
    Scheme("Cloudflare Stream", _stream),
    Scheme("Fastly", pattern(CDN + "/{path}?token={end}_{sha}")),
    Scheme("Bunny", pattern("https://z.b-cdn.net/{path}?token={code}&expires={end}&token_path=%2Fvideos%2F")),
    Scheme(
        "Bunny in the path", pattern("https://z.b-cdn.net/bcdn_token={code}&expires={end}&token_path=%2Fv%2F/{path}")
    ),
    Scheme("nginx secure_link", pattern(CDN + "/{path}?md5={code}&expires={end}")),
    Scheme("CDN77", pattern(CDN + "/{path}?secure={code},{end}")),
    Scheme("Supabase", _supabase),
    Scheme("a JWT in the query", _token_parameter),
    Scheme(
        "Backblaze B2",
        pattern("https://f001.backblazeb2.com/file/box/{path}?Authorization=3_2026{text}_a1_b2_dnld"),
        ends=False,
        temporary=True,
    ),
    Scheme(
        "Firebase", pattern("https://firebasestorage.googleapis.com/v0/b/p/o/{path}?alt=media&token={md5}"), ends=False
    ),
    Scheme(
        "OpenStack Swift", pattern("https://swift.example.com/v1/A/c/{path}?temp_url_sig={sha}&temp_url_expires={end}")
    ),
    Scheme("ImageKit", pattern("https://ik.imagekit.io/i/{path}?ik-t={end}&ik-s={md5}")),
    Scheme("x-signature", pattern(CDN + "/{path}?x-expires={end}&x-signature={code}%3D")),
    Scheme("Discord", pattern("https://cdn.discordapp.com/a/1/{path}?ex={hexadecimal}&is=6a000000&hm={sha}")),
    Scheme("CDN77 in the path", pattern("https://1.rsc.cdn77.org/{b64},{end}/{path}")),
    Scheme(
        "Google Media CDN in the path",
        pattern(CDN + "/edge-cache-token=URLPrefix=aHR0cHM~Expires={end}~KeyName=k~Signature={code}/{path}"),
    ),
    Scheme("SharePoint", _share_point),
    Scheme(
        "Oracle pre-authenticated request",
        pattern("https://objectstorage.eu.oraclecloud.com/p/{sha}/n/ns/b/box/o/{path}"),
        ends=False,
    ),
)
