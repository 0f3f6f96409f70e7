"""Horizon as Debian ships it, before our Keystone: without a web server, memcached or the folders of its package."""
import os

from openstack_dashboard.settings import *  # noqa: F401,F403

folder = os.environ["DASHBOARD_FOLDER"]

OPENSTACK_KEYSTONE_URL = os.environ["OS_AUTH_URL"]
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "of one run"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
COMPRESS_ENABLED = False
COMPRESS_OFFLINE = False
STATIC_ROOT = os.path.join(folder, "static")
LOGGING = {"version": 1, "disable_existing_loggers": True}
