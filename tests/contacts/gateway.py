"""A gateway of a custom channel: takes what the relay delivers, and hands in what customers answer.

The first delivery it refuses after it has worked on it, and every answer it hands in twice, as a
gateway does that is not sure of its connection.
Usage: gateway.py PORT http://HOST:PORT API_KEY LOGIN PASSWORD
"""
import hashlib
import http.server
import json
import sys
import urllib.request

port, base, key, login, password = int(sys.argv[1]), *sys.argv[2:]
deliveries = 0


def hand_in(message):
    data = message["data"]
    answer = {
        "customData": {
            "messageSid": "answer-to-" + data["message_id"],
            "fromId": data["external_contact_id"],
            "toId": "gateway",
            "body": "Thank you for: " + data["body"],
            "channel": data["channel"],
        }
    }
    ids = set()
    for _ in range(2):
        request = urllib.request.Request(
            f"{base}/v1/incoming_custom_channel_message?apiKey={key}",
            json.dumps(answer).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            ids.add(json.load(reply)["messageId"])
    assert len(ids) == 1, ids
    print("handed in", ids.pop(), flush=True)


class Gateway(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global deliveries
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request["request"] == "authenticate":
            proof = hashlib.md5((login + password + request["key"]).encode()).hexdigest()
            answer = {"ai_login_id": login, "ai_login_password": proof}
        else:
            deliveries += 1
            for message in request["messages"]:
                hand_in(message)
            answer = {"status": "OK" if deliveries > 1 else "not sure"}
            print("delivery", deliveries, answer["status"], flush=True)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


print("gateway is up", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Gateway).serve_forever()
