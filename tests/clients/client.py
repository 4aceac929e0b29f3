"""A caller that sends messages one by one and waits as it is told when it is refused by the limit.

Usage: client.py http://HOST:PORT API_KEY COUNT; prints one JSON object.
"""
import json
import sys
import time
import urllib.error
import urllib.request

base, key, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
ids, waits, worst = [], [], 0
for number in range(count):
    body = json.dumps({"type": "generic", "data": f"message {number}"}).encode()
    headers = {
        "Authorization": "Bearer " + key,
        "Content-Type": "application/json",
        "Idempotency-Key": f"python-{number}",
    }
    refused = 0
    while True:
        request = urllib.request.Request(base + "/relay/v1/messages", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 202, answer.status
                ids += json.load(answer)["ids"]
                break
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
            refused += 1
            waits.append(int(error.headers["Retry-After"]))
            time.sleep(waits[-1])
    worst = max(worst, refused)
print(json.dumps({"ids": ids, "waits": waits, "worst": worst}))
