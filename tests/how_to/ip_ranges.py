"""Keeps the IP address ranges of a tenant as a file has them, by the vendor's how-to flow and nothing of ours.

Usage: ip_ranges.py URL TOKEN FILE. The file is CSV: name, ranges separated by blanks, category, tag, provider.
Ranges are listed page by page, created or updated by name, and deleted when the file names them no more.
"""

import csv
import json
import sys

import requests

PAGE = 20


class Ranges:
    def __init__(self, url, token):
        self.base = url.rstrip("/") + "/api/v1/subnet/"
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Token " + token

    def call(self, method, path, body=None):
        answer = self.session.request(method, self.base + path, json=body, timeout=30)
        answer.raise_for_status()
        return answer.text

    def all(self):
        skip = 0
        while True:
            page = json.loads(self.call("POST", "", {"skip": skip, "limit": PAGE, "filters": {}}))
            yield from page["data"]
            skip += len(page["data"])
            if not page["hasNext"] or not page["data"]:
                return

    def create(self, wanted):
        # The new id is a JSON string: its quotes are no part of it.
        return json.loads(self.call("POST", "create_rule/", wanted))

    def update(self, known, wanted):
        # The record is replaced as a whole; under its old name only with its own id in it.
        self.call("POST", known["_id"] + "/update_rule/", dict(wanted, _id=known["_id"]))

    def delete(self, known):
        self.call("DELETE", known["_id"] + "/")


def read(path):
    with open(path, newline="") as file:
        for row in csv.reader(file):
            name, ranges, category, tag, provider = [cell.strip() for cell in (row + [""] * 5)[:5]]
            wanted = {"name": name, "subnets": ranges.split(), "category": int(category)}
            if tag:
                wanted["tags"] = [tag]
            if provider:
                wanted.update(organization=provider, overrideOrganization=True)
            yield name, wanted


def main(url, token, path):
    ranges = Ranges(url, token)
    known = {record["name"]: record for record in ranges.all()}
    wanted = dict(read(path))
    for name, record in wanted.items():
        if name in known:
            ranges.update(known[name], record)
            print("updated", name, known[name]["_id"])
        else:
            print("created", name, ranges.create(record))
    for name, record in known.items():
        if name not in wanted:
            ranges.delete(record)
            print("deleted", name, record["_id"])


if __name__ == "__main__":
    main(*sys.argv[1:])
