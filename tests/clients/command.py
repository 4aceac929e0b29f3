"""A site that hands leads over, proved by a site token.

Usage: command.py http://HOST:PORT LOGIN COMM_KEY; prints one JSON object.
"""
import base64
import hashlib
import hmac
import json
import struct
import sys
import time
import urllib.parse
import urllib.request


def ai_sitecom_token(login, comm_key, now=None):
    head = hashlib.sha256(login.encode()).digest()[:8]
    head += struct.pack(">Q", int(time.time()) if now is None else now)
    mac = hmac.new(comm_key.encode(), head + login.encode(), hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(head + mac).rstrip(b"=").decode()


base, login, comm_key = sys.argv[1:]


def call(**pairs):
    pairs["ai_sitecom_token"] = ai_sitecom_token(login, comm_key)
    body = urllib.parse.urlencode(pairs).encode()
    with urllib.request.urlopen(base + "/service", body, timeout=30) as answer:
        return dict(urllib.parse.parse_qsl(answer.read().decode(), keep_blank_values=True))


created = call(ai_command="create_lead", external_id="py-1", email="jane@example.com", note="hello")
again = call(ai_command="create_lead", external_id="py-1", email="other@example.com")
updated = call(ai_command="update_lead", external_id="py-1", status="customer")
found = call(ai_command="leads_get", search_params="customer", limit_fields="email,status_name")
print(json.dumps({
    "created": created, "again": again, "updated": updated,
    "total": found["total_results"], "leads": json.loads(found["leads"]),
}))
