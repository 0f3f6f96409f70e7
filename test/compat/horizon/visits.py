"""Pages of OpenStack's dashboard, one line for each, with what is expected there.

`alone` has a Keystone and us in its catalogue, and no other service. `in-a-cloud` has a Nova and a Cinder beside, of which
the dashboard takes flavors, zones and types of volumes.
"""
import json
import logging
import os
import re
import sys
import time
import urllib.request
import warnings

warnings.simplefilter("ignore")

import django

django.setup()
logging.disable(logging.CRITICAL)

from django.contrib.messages import ERROR, WARNING
from django.test import Client
from django.test.utils import setup_test_environment

setup_test_environment()
wrong = 0
person = Client(raise_request_exception=False)


# ---- how a page is judged


def judge(what, expected, said):
    global wrong
    if expected is None:
        print("ok    ", what)
        return
    wrong = 1
    print(f"WRONG  {what}\nexpected: {expected}\nsaid: {said}")


def messages_of(page):
    told = page.context["messages"] if page.context and "messages" in page.context else []
    return [(message.level, str(message.message)) for message in told]


def text_of(page):
    return re.sub(r"(?s)<script.*?</script>", "", page.content.decode())


def asked(path, form=None):
    if form is None:
        return person.get(path, follow=True)
    return person.post(path, form, follow=True)


def shows(path, *patterns):
    """The page is there, without a message of an error, and has on it what the patterns find."""
    page = asked(path)
    text = text_of(page)
    bad = [message for level, message in messages_of(page) if level >= WARNING]
    missing = [pattern for pattern in patterns if not re.search(pattern, text)]
    is_so = page.status_code == 200 and bad == [] and missing == []
    judge(f"shows {path}", None if is_so else f"200 with {missing}", (page.status_code, bad))


def does(path, form, success):
    """What is sent is done, and said to be."""
    page = asked(path, form)
    said = messages_of(page)
    is_so = any(level < ERROR and re.search(success, message) for level, message in said)
    is_so = is_so and all(level < ERROR for level, _ in said)
    refused = [page.context["form"].errors] if page.context and "form" in page.context else []
    judge(f"does {path} {form.get('action', 'form')}", None if is_so else success, (page.status_code, said, refused))


def fails(path, status, message, form=None):
    """What does not work, and how that shows; a status of 500 is the dashboard's own fault."""
    page = asked(path, form)
    said = [text for level, text in messages_of(page) if level >= WARNING]
    is_so = page.status_code == status and any(re.search(message, text) for text in said or [""])
    judge(f"fails {path}", None if is_so else (status, message), (page.status_code, said))


# ---- what is asked of the service itself

service = os.environ["OS_ENDPOINT"]


def rest(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Auth-Token": "notused"}
    with urllib.request.urlopen(urllib.request.Request(service + path, data, headers, method=method)) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def until(status, operating, id):
    for _ in range(1200):
        shown = rest("GET", f"/instances/{id}")["instance"]
        if (shown["status"], shown["operating_status"]) == (status, operating):
            return
        time.sleep(0.1)
    judge(f"{id} becomes {status}", status, shown["status"])


def named(kind, name):
    return next(one["id"] for one in rest("GET", f"/{kind}")[kind] if one["name"] == name)


# ---- the pages

databases = "/project/databases/"
groups = "/project/database_configurations/"


def log_in():
    shows("/auth/login/", "Log in")
    form = {"auth_type": "credentials", "username": os.environ["OS_USERNAME"], "password": os.environ["OS_PASSWORD"]}
    answer = person.post("/auth/login/", {**form, "region": "default"})
    judge("logs in", None if answer.status_code == 302 else 302, answer.status_code)


def launched():
    """By the dialog, whose fields are named after what they are for."""
    shows(f"{databases}launch", "Launch", "db.tiny")
    datastore = b"postgresql - 18".hex()
    form = {
        "name": "first",
        "volume": "1",
        "volume_type": "no_type",
        "datastore": datastore,
        datastore: "1",
        "databases": "shop, desk",
        "user": "ann",
        "password": "secret-1",
        "allowed_cidrs": "127.0.0.0/8",
    }
    does(f"{databases}launch", form, 'Launched "?first|Launched.*first')
    id = named("instances", "first")
    until("ACTIVE", "HEALTHY", id)
    return id


def inside(id):
    one = f"{databases}{id}/"
    tab = f"{one}?tab=instance_details__"
    shows(one, "first", "postgresql", "Root Enabled")
    shows(f"{tab}database_tab", "desk", "shop")
    shows(f"{one}create_database", "Create Database")
    does(f"{one}create_database", {"instance_id": id, "name": "extra"}, 'Created database "extra"')
    shows(f"{tab}database_tab", "desk", "extra", "shop")
    does(f"{tab}database_tab", {"action": "databases__delete__extra"}, "extra")
    shows(f"{tab}users_tab", "ann", "shop")
    shows(f"{one}create_user", "Create User")
    bob = {"instance_id": id, "name": "bob", "password": "secret-2", "host": "", "databases": "shop"}
    does(f"{one}create_user", bob, 'Created user "bob"')
    shows(f"{tab}users_tab", "ann", "bob")
    shows(f"{one}bob/%25/edit_user", "bob")
    edited = {"instance_id": id, "user_name": "bob", "user_host": "%", "new_name": "rob", "new_password": "secret-3"}
    does(f"{one}bob/%25/edit_user", edited, 'Updated user "bob"')
    access = f"{one}rob/%25/access_detail"
    shows(access, "desk", "shop")
    does(access, {"action": "access__grant_access__desk"}, "desk")
    does(access, {"action": "access__revoke_access__shop"}, "shop")
    does(f"{tab}users_tab", {"action": "users__delete__rob@%"}, "rob")
    shows(f"{one}manage_root", "Manage Root Access")
    # Without a message: the page has the password.
    asked(f"{one}manage_root", {"action": f"manage_root__enable_root_action__{id}"})
    judge("root is enabled", None if rest("GET", f"/instances/{id}/root")["rootEnabled"] else "so", "it is not")
    does(f"{one}manage_root", {"action": f"manage_root__disable_root_action__{id}"}, "")
    judge("root is disabled", "so" if rest("GET", f"/instances/{id}/root")["rootEnabled"] else None, "it is not")
    shows(f"{tab}config_defaults", "work_mem")
    shows(f"{tab}logs_tab")


def configuration_groups(id):
    shows(groups)
    shows(f"{groups}create", "postgresql", "18")
    form = {"name": "tuned", "description": "of Horizon", "datastore": "postgresql,18"}
    does(f"{groups}create", form, "Created configuration group")
    group = named("configurations", "tuned")
    shows(groups, "tuned", "of Horizon")
    shows(f"{groups}{group}/", "tuned", "postgresql")
    shows(f"{groups}{group}/add", "work_mem")
    does(f"{groups}{group}/add", {"name": "work_mem", "value": "8192"}, "Successfully added parameter")
    shows(f"{groups}{group}/?tab=configuration_group_details__values_tab", "work_mem", "8192")
    shows(f"{databases}{id}/attach_config", "tuned")
    form = {"instance_id": id, "configuration": group}
    does(f"{databases}{id}/attach_config", form, "Attaching Configuration group")
    until("ACTIVE", "HEALTHY", id)
    shows(f"{groups}{group}/?tab=configuration_group_details__instances_tab", "first")
    does(databases, {"action": f"databases__detach_configuration__{id}"}, "Detach|detach")
    until("ACTIVE", "HEALTHY", id)
    does(groups, {"action": f"configurations__delete__{group}"}, "Deleted|Scheduled")


def changes(id):
    shows(databases, "first", "postgresql", "db.tiny")
    shows(f"{databases}{id}/edit_instance", "first")
    form = {"instance_id": id, "instance_name": "other", "allowed_cidrs": "127.0.0.0/8"}
    does(f"{databases}{id}/edit_instance", form, "successfully updated")
    until("ACTIVE", "HEALTHY", id)
    does(databases, {"action": f"databases__restart__{id}"}, "Restarted Instance: other")
    until("ACTIVE", "HEALTHY", id)
    shows(f"{databases}{id}/resize_volume", "Resize")
    does(f"{databases}{id}/resize_volume", {"instance_id": id, "orig_size": "1", "new_size": "2"}, "Resizing volume")
    until("ACTIVE", "HEALTHY", id)
    shows(f"{databases}{id}/resize_instance", "Resize")
    does(f"{databases}{id}/resize_instance", {"instance_id": id, "new_flavor": "2"}, "Resizing instance")
    until("ACTIVE", "HEALTHY", id)
    does(databases, {"action": f"databases__delete__{id}"}, "other")


def alone():
    """The list complains that it knows no sizes, and the dialog that orders is an error."""
    order = {"name": "listed", "flavorRef": "1", "volume": {"size": 1}, "datastore": {"type": "postgresql"}}
    rest("POST", "/instances", {"instance": order})
    log_in()
    shows(groups)
    fails(databases, 200, "Invalid service catalog: compute")
    fails(f"{databases}launch", 500, "")
    # These two panels want a Swift in the catalogue.
    fails("/project/database_backups/", 403, "")


def in_a_cloud():
    log_in()
    id = launched()
    inside(id)
    configuration_groups(id)
    changes(id)


{"alone": alone, "in-a-cloud": in_a_cloud}[sys.argv[1]]()
sys.exit(wrong)
