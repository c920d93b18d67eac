"""The backup storage by its address: `PACS_BACKUP_URL`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def backup_storage(url: str) -> dict[str, Any] | None:
    """Django's STORAGES entry; None for an empty address.

    `file:///mnt/backup`, `cloudinary://KEY:SECRET@CLOUD[/prefix][?api_url=...]`, or
    `s3://[KEY:SECRET@]BUCKET[/prefix][?endpoint_url=...&region=...]`; without a key in the address
    S3 credentials are found as boto3 finds them.
    """
    if not url:
        return None
    parts = urlsplit(url)
    extra = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        location = {"location": unquote(parts.path)}
        return {"BACKEND": "pacs.storage.DurableFileSystemStorage", "OPTIONS": location}
    if parts.scheme == "cloudinary" and parts.hostname and user and password:
        return {
            "BACKEND": "pacs.cloudinary_storage.CloudinaryStorage",
            "OPTIONS": {
                "cloud_name": parts.hostname,
                "api_key": user,
                "api_secret": password,
                "prefix": parts.path.strip("/"),
                "api_url": extra.get("api_url", ""),
            },
        }
    if parts.scheme == "s3" and parts.hostname:
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _s3(parts, extra)}
    raise ImproperlyConfigured(
        "PACS_BACKUP_URL begins with file:///, s3://BUCKET or cloudinary://KEY:SECRET@CLOUD"
    )


def _s3(parts: Any, extra: dict[str, str]) -> dict[str, Any]:
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    options: dict[str, Any] = {
        "bucket_name": parts.hostname,
        "location": parts.path.strip("/"),
        "default_acl": None,
        "file_overwrite": True,
        "querystring_auth": True,
        # The engine uploads many objects at once; none of them needs threads of its own.
        "transfer_config": TransferConfig(use_threads=False),
        "client_config": Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": extra.get("addressing_style", "auto")},
            max_pool_connections=32,
        ),
    }
    if parts.username:
        options["access_key"] = unquote(parts.username)
        options["secret_key"] = unquote(parts.password or "")
    if endpoint := extra.get("endpoint_url"):
        options["endpoint_url"] = endpoint
    options["region_name"] = extra.get("region", "us-east-1")
    return options
