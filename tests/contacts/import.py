"""A site that brings its contacts over and waits as it is told when it is refused by the limit.

Usage: import.py http://HOST:PORT API_KEY COUNT; prints one JSON object.
"""
import json
import sys
import time
import urllib.error
import urllib.request

base, key, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
ids, waits, worst = [], [], 0
for number in range(count):
    contact = {"firstName": f"Nr. {number}", "phone": f"+1555{number:07}"}
    refused = 0
    while True:
        request = urllib.request.Request(
            f"{base}/v1/contacts?apiKey={key}",
            json.dumps(contact).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 201, answer.status
                ids.append(json.load(answer)["id"])
                break
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
            wait = int(error.headers["Retry-After"])
            told = json.load(error)["error"]
            if error.code == 429:
                assert told["code"] == "RATE_LIMIT_EXCEEDED", told
                assert f"Retry after {wait} seconds." in told["message"], told
            refused += 1
            waits.append(wait)
            time.sleep(wait)
    worst = max(worst, refused)
print(json.dumps({"ids": ids, "waits": waits, "worst": worst}))
