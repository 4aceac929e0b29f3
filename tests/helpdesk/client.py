"""A client with nothing but the standard library: JSON bodies, the key in a header, XML read by a
strict parser. Arguments: base URL, key."""
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as tree

base, key = sys.argv[1:]


def call(method, path, params=None, expected=200):
    body = json.dumps(params).encode() if params is not None else None
    request = urllib.request.Request(f"{base}/api/{path}", body, {"apikey": key}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    assert status == expected, (status, text)
    if path.split("?")[0].endswith(".xml"):
        return tree.fromstring(text)
    return json.loads(text)["response"]


group = call("POST", "customersgroups", {"name": "VIP <&]]>", "color": "#ffffff"})
for number in range(3):
    customer = call("POST", "customers", {"email": f"c{number}@example.com", "name": f"Customer {number}"})
    call("POST", f"customers/{customer['contactid']}/groups", {"name": "vip <&]]>"})
names = [row["firstname"] + row["lastname"] for row in call("GET", "customers?limitfrom=1")["customers"]]
groups = call("GET", "customers/c1@example.com/groups.xml")
call("PUT", f"customersgroups/{group['id']}", {"bg_color": "00ff00"})
listed = call("GET", f"customersgroups/{group['id']}.xml")
error = call("POST", "customersgroups.xml", {"name": "VIP <&]]>"}, 500)
call("DELETE", f"customersgroups/{group['id']}")
print(json.dumps({
    "names": names,
    "group": groups.find("groups/group/groupname").text,
    "colors": [listed.find("color").text, listed.find("bg_color").text],
    "error": error.find("errormessage").text,
    "left": call("GET", "customersgroups")["groups"],
}))
