"""Settings that every shape shares. Each difference between shapes is an environment variable."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from pacs.settings.documents import mongodb
from pacs.settings.env import envbool, envint, envlist, envorigins, envstr
from pacs.settings.storages import apart, archive_storage, backup_storage

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_DIR = Path(envstr("PACS_DATA_DIR", str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = False
SECRET_KEY = envstr("PACS_SECRET_KEY")
# Encrypts Orthanc passwords and webhook secrets; the first key encrypts, every key decrypts.
FIELD_KEYS = envlist("PACS_FIELD_KEYS")
ALLOWED_HOSTS = envlist("PACS_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = envlist("PACS_TRUSTED_ORIGINS")
PACS_TRUSTED_PROXIES = envint("PACS_TRUSTED_PROXIES", 0)
PUBLIC_URL = envstr("PACS_PUBLIC_URL")
CORS_ORIGINS: list[str] = envorigins("PACS_CORS_ORIGINS")

INSTALLED_APPS = [
    # Only there does Daphne work as an app; Twisted takes a tenth of every other process's start.
    *(["daphne"] if "runserver" in sys.argv else []),
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "channels_lite",
    "axes",
    "csp",
    "django_prometheus",
    "django_htmx",
    "django_filters",
    "django_tables2",
    "pacs.audit",
    "pacs.accounts",
    "pacs.events",
    "pacs.health",
    "studies",
    "reports",
    "agents",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "pacs.cors.CorsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pacs.accounts.middleware.NoStoreMiddleware",
    "pacs.accounts.middleware.SessionLimitMiddleware",
    "pacs.accounts.middleware.PagePersonMiddleware",
    "pacs.accounts.middleware.SiteTimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "pacs.one_thread.one_thread",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "pacs.urls"
ASGI_APPLICATION = "pacs.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]


def database(url: str) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name`, or SQLite in DATA_DIR."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "lightbox.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
                    " PRAGMA mmap_size=268435456;"
                ),
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or 5432),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10},
    }


DATABASES = {"default": database(envstr("DATABASE_URL"))}
DATABASES["default"]["CONN_MAX_AGE"] = 300
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = envstr("REDIS_URL")
if REDIS_URL:
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    # A kept connection that Redis has closed is replaced; a Redis that is down fails at once.
    # The layer asks with a wait of 5 s for the next message: redis-py's own 5 s for an answer would
    # end every socket on which nothing happens.
    REDIS_HOST = {
        "address": REDIS_URL,
        "retry": Retry(NoBackoff(), 1),  # type: ignore[no-untyped-call]
        "socket_connect_timeout": 5,
        "socket_timeout": 15,
    }
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [REDIS_HOST], "capacity": 1000},
        }
    }
else:
    DATABASES["channels"] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "channels.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_lite.layers.aio.AIOSQLiteChannelLayer",
            "CONFIG": {"database": "channels", "capacity": 1000, "polling_interval": 0.05},
        }
    }
DATABASE_ROUTERS = ["pacs.routers.ChannelRouter"]

# Archive of images. ARCHIVE_FSYNC is for throw-away test data only.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "pacs.storage.StaticStorage"},
    "archive": archive_storage(
        envstr("PACS_ARCHIVE_URL"), envstr("PACS_ARCHIVE_DIR", str(DATA_DIR / "archive"))
    ),
}
BACKUP_URL = envstr("PACS_BACKUP_URL")
if (_backup := backup_storage(BACKUP_URL)) is not None:
    STORAGES["backup"] = _backup
    apart(STORAGES["archive"], _backup)
# Encrypted here first, unless it stays on this machine.
BACKUP_SEALED = envbool("PACS_BACKUP_SEALED", bool(BACKUP_URL) and "file:" not in BACKUP_URL[:5])
BACKUP_KEYS = envlist("PACS_BACKUP_KEYS")
BACKUP_THREADS = envint("PACS_BACKUP_THREADS", 24, 1)
BACKUP_BYTES_PER_SECOND = envint("PACS_BACKUP_BYTES_PER_SECOND", 0)
BACKUP_DATABASE_MINUTES = envint("PACS_BACKUP_DATABASE_MINUTES", 15, 1)
# Metadata documents go to MongoDB, too, and are read there. Empty: to the database's table alone.
MONGODB_URL = mongodb(envstr("MONGODB_URL"))
CACHE_DIR = DATA_DIR / "cache"
FRAME_CACHE_BYTES = envint("PACS_FRAME_CACHE_BYTES", 2 * 2**30, 0)
# With less than this free on a disk, no images are taken.
MIN_FREE_BYTES = envint("PACS_MIN_FREE_BYTES", 2**30, 0)
# Copies of what an archive at an object storage holds.
ARCHIVE_CACHE_DIR = DATA_DIR / "archive-copies"
ARCHIVE_CACHE_BYTES = envint("PACS_ARCHIVE_CACHE_BYTES", 20 * 2**30, 0)
PIXEL_WORKERS = envint("PACS_PIXEL_WORKERS", min(os.cpu_count() or 1, 4), 1)
CACHE_BYTES = envint("PACS_CACHE_BYTES", 10 * 2**30, 0)

BROKER_DIR = Path(envstr("PACS_BROKER_DIR", str(DATA_DIR / "broker")))
CELERY_BROKER_URL = REDIS_URL or "lightboxfs://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"visibility_timeout": 3600}
    if REDIS_URL
    else {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.05,
    }
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "studies.follow_changes": {"queue": "follow"},
    "studies.warm_study": {"queue": "render"},
    "studies.deliver": {"queue": "deliver"},
    "studies.backup": {"queue": "backup"},
    "studies.backup_database": {"queue": "backup"},
    "studies.documents": {"queue": "deliver"},
    "studies.documents_sweep": {"queue": "deliver"},
    "studies.documents_check": {"queue": "deliver"},
    "reports.deliver": {"queue": "deliver"},
    "reports.critical_tell": {"queue": "deliver"},
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SCHEDULE = {
    "heartbeat": {
        "task": "health.heartbeat",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 15},
    },
    "follow-sweep": {
        "task": "studies.follow_sweep",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "arrival-sweep": {
        "task": "studies.arrival_sweep",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 4},
    },
    "deliver-sweep": {
        "task": "studies.deliver_sweep",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "reading-sweep": {
        "task": "studies.reading_sweep",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 15},
    },
    "reports-deliver-sweep": {
        "task": "reports.deliver_sweep",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 4},
    },
    "reports-critical-sweep": {
        "task": "reports.critical_sweep",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 15},
    },
    "backup-sweep": {
        "task": "studies.backup_sweep",
        "schedule": timedelta(seconds=3),
        "options": {"expires": 3},
    },
    "backup-check": {
        "task": "studies.backup_check",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "documents-sweep": {
        "task": "studies.documents_sweep",
        "schedule": timedelta(seconds=3),
        "options": {"expires": 3},
    },
    "documents-check": {
        "task": "studies.documents_check",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "retention-sweep": {
        "task": "studies.retention_sweep",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "quota-sweep": {
        "task": "studies.quota_sweep",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 300},
    },
    "orders-sweep": {
        "task": "studies.orders_sweep",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 30},
    },
    "presence-sweep": {
        "task": "studies.presence_sweep",
        "schedule": timedelta(minutes=2),
        "options": {"expires": 120},
    },
    "quarantine-sweep": {
        "task": "studies.quarantine_sweep",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "agents-expire": {
        "task": "agents.expire_sweep",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "agents-rollout": {
        "task": "agents.rollout_sweep",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},
    },
    "agents-silence": {
        "task": "agents.silence_sweep",
        "schedule": timedelta(seconds=20),
        "options": {"expires": 20},
    },
    "cache": {
        "task": "health.bound_cache",
        "schedule": timedelta(days=1),
        "options": {"expires": 6 * 3600},
    },
    "housekeeping": {
        "task": "health.housekeeping",
        "schedule": timedelta(minutes=30),
        "options": {"expires": 600},
    },
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "worklist"
LOGOUT_REDIRECT_URL = "login"

# One hospital behind one address must not lock out: the pair of user and address is counted.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "accounts/locked.html"
AXES_HTTP_RESPONSE_CODE = 429
AXES_VERBOSE = False
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_DISABLE_ACCESS_LOG = True
AXES_IPWARE_PROXY_COUNT = PACS_TRUSTED_PROXIES or None
AXES_CLIENT_IP_CALLABLE = "pacs.accounts.addresses.client_address"

SESSION_ENGINE = "pacs.accounts.session_store"
SESSION_COOKIE_NAME = "lightbox_session"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_IDLE_SECONDS = envint("PACS_IDLE_SECONDS", 15 * 60, 30)
SESSION_ABSOLUTE_SECONDS = envint("PACS_SESSION_SECONDS", 12 * 3600, 60)
CSRF_COOKIE_NAME = "lightbox_csrf"
CSRF_COOKIE_HTTPONLY = False
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, "'wasm-unsafe-eval'"],
        "worker-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "style-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "pacs.accounts.authentication.BearerAuthentication",
        "pacs.accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["pacs.accounts.permissions.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "rest_framework.views.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lightbox PACS",
    "DESCRIPTION": "REST API and DICOMweb (DICOM PS3.18) of a PACS portal.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "SendState": "studies.sending.models.State",
        "DestinationKind": "studies.sending.models.Kind",
        "DeliveryState": "reports.delivery.models.DeliveryState",
        "AgentState": "agents.models.AgentState",
        "CommandState": "agents.models.CommandState",
        "CommandKind": "agents.models.CommandKind",
        "StudyPriority": "studies.models.Priority",
        "NoteKind": "studies.reading.models.StudyNote.Kind",
        "OrderStatus": "studies.orders.models.OrderStatus",
        "AttachmentKind": "reports.attachments.models.Attachment.Kind",
        "AttachmentStatus": "reports.attachments.models.Status",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "studies.api_schema.add_data_plane",
    ],
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [path for path in [BASE_DIR / "static" / "dist"] if path.is_dir()]
WHITENOISE_IMMUTABLE_FILE_TEST = r"^.+[.-][0-9A-Za-z_-]{8,12}\..+$"

DJANGO_TABLES2_TEMPLATE = "studies/_table.html"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

UNFOLD = {
    "SITE_TITLE": "Lightbox PACS",
    "SITE_HEADER": "Lightbox PACS",
    "SITE_URL": "/",
    "THEME": "dark",
}

# How long a study stays "receiving" after its last image, in seconds, where a site says nothing.
QUIET_SECONDS = {"CR": 60, "DX": 60, "DR": 60, "RG": 60, "": 300}
QUIET_SECONDS_OVERRIDE = envint("PACS_QUIET_SECONDS", 0)
FIRST_SYNC_AS_PRIORS = envbool("PACS_FIRST_SYNC_AS_PRIORS", True)
# In each such window at least 1 KB a second of an upload must come, or it is cut off.
UPLOAD_WINDOW_SECONDS = envint("PACS_UPLOAD_WINDOW_SECONDS", 30, 1)
MAX_INSTANCE_BYTES = envint("PACS_MAX_INSTANCE_BYTES", 4 * 2**30, 1024)
ORTHANC_READ_TIMEOUT = envint("PACS_ORTHANC_READ_TIMEOUT", 60, 1)
# Sending to DICOMweb servers by plain http, for those inside one network.
SEND_OVER_HTTP = envbool("PACS_SEND_OVER_HTTP", False)
SEND_READ_TIMEOUT = envint("PACS_SEND_READ_TIMEOUT", 60, 1)
# Minutes within which a critical result is acknowledged, by level; after that it is escalated.
CRITICAL_MINUTES = [
    envint("PACS_CRITICAL_MINUTES", 30, 1),
    60 * envint("PACS_CRITICAL_HOURS", 12, 1),
    24 * 60 * envint("PACS_CRITICAL_DAYS", 3, 1),
]
# A report that gets nowhere for so long is called undelivered.
DELIVERY_GIVE_UP_DAYS = envint("PACS_DELIVERY_GIVE_UP_DAYS", 3, 1)
# Receivers of HL7 that the portal itself may connect to: host, host:port or 10.1.0.0/16:2575.
HL7_RECEIVERS = envlist("PACS_HL7_RECEIVERS")
# A PDF that takes longer to make is given up, for the moment.
PDF_SECONDS = envint("PACS_PDF_SECONDS", 30, 1)
# A PKCS #12 file: PDFs of reports are signed with it. Empty: they are not.
REPORT_SIGNING_P12 = envstr("PACS_REPORT_SIGNING_P12")
REPORT_SIGNING_PASSWORD = envstr("PACS_REPORT_SIGNING_PASSWORD")
WORKER_HEARTBEAT_STALE_SECONDS = 20

# A site agent that says nothing for so long is called silent, and its administrators are told.
AGENT_SILENT_MINUTES = envint("PACS_AGENT_SILENT_MINUTES", 10, 1)
AGENT_HEARTBEAT_SECONDS = envint("PACS_AGENT_HEARTBEAT_SECONDS", 20, 1)
# Base64 public keys whose agent releases may be published here; the private ones stay elsewhere.
AGENT_RELEASE_KEYS = envlist("PACS_AGENT_RELEASE_KEYS")
# How long the bytes of a discarded quarantined file are kept.
QUARANTINE_GRACE_DAYS = envint("PACS_QUARANTINE_GRACE_DAYS", 30, 0)
# Who is told beside the administrators of the site.
ALERT_EMAILS = envlist("PACS_ALERT_EMAILS")

# Mail goes out where a server is named.
EMAIL_HOST = envstr("PACS_EMAIL_HOST")
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.dummy.EmailBackend"
)
EMAIL_PORT = envint("PACS_EMAIL_PORT", 587, 1)
EMAIL_HOST_USER = envstr("PACS_EMAIL_USER")
EMAIL_HOST_PASSWORD = envstr("PACS_EMAIL_PASSWORD")
EMAIL_USE_TLS = envbool("PACS_EMAIL_STARTTLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = envstr("PACS_EMAIL_FROM", "lightbox@localhost")

# Who shows this as a bearer token reads /metrics; empty: nobody does.
METRICS_TOKEN = envstr("PACS_METRICS_TOKEN")

DEMO = False
LOG_LEVEL = envstr("PACS_LOG_LEVEL", "INFO")
LOG_JSON = envbool("PACS_LOG_JSON", False)
LOGGING_CONFIG = "pacs.logs.configure"
LOGGING: dict[str, Any] = {"version": 1}
