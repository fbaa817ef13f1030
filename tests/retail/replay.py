"""Replays a messy German retail stream with ground truth through a real gateway and compares what arrived with the truth.

usage: replay.py --gateway PATH --stream DIR --policies DIR [--work DIR]

The stream (generate.py) has shared tablets, shared mailboxes, typing errors, retries, clocks that are off, tills that report
days later, and addresses in URLs. For every event it says what the person had really allowed when it was received.

What must hold:
- nothing arrives that the truth forbids, unless what forbids it could not be known: the link between the event's identifiers
  and the person was never stated in an earlier event, or the decision itself had not been received yet. For each such
  event that is proved from the stream;
- a retried message arrives once;
- no identifier of anybody stands in what arrived, in the data folder or in the log.
The share of allowed events that arrived is printed.
"""
import argparse, base64, collections, glob, gzip, http.client, json, os, subprocess, sys, tempfile, time, urllib.parse

PURPOSE = "analytics"  # what the shipped destination `archive` needs
DECISION = "Segment Consent Preference Updated"


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def write_key(event):
    name = event.get("event")
    if name in ("Email Opened", "Email Link Clicked"):
        return "wk_newsletter"
    if name == "POS Purchase":
        return "wk_till"
    return "wk_app" if event["type"] == "screen" else "wk_web"


class Gateway:
    def __init__(self, binary, policies, work):
        self.work = work
        self.log = open(os.path.join(work, "log"), "w")
        self.process = subprocess.Popen([os.path.abspath(binary), "serve", "--listen", "127.0.0.1:0", "--policies", os.path.abspath(policies)],
                                        cwd=work, stdout=subprocess.PIPE, stderr=self.log, text=True)
        first = self.process.stdout.readline().strip()
        if "http://" not in first:
            sys.exit("the gateway did not start: " + open(os.path.join(work, "log")).read())
        self.address = first.rsplit("/", 1)[1]
        self.connection = http.client.HTTPConnection(self.address, timeout=30)

    def call(self, method, path, key=None, body=None):
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = "Basic " + base64.b64encode((key + ":").encode()).decode()
        self.connection.request(method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def drain(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            _, text = self.call("GET", "/metrics")
            backlog = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("pforte_backlog_chunks{")]
            if backlog and not any(backlog):
                return
            time.sleep(0.005)
        sys.exit("the outbox was not empty after two minutes")

    def stop(self):
        self.process.terminate()
        if self.process.wait(60) != 0:
            sys.exit("the gateway did not end well")
        self.log.close()


def replay(gateway, events):
    """Sends everything in the order of arrival, in batches of neighbours from one source."""
    accepted = rejected = 0
    at = 0
    while at < len(events):
        key = write_key(events[at])
        end = at
        while end < len(events) and end - at < 50 and write_key(events[end]) == key and (end == at or events[end].get("event") != DECISION):
            end += 1
        if events[at].get("event") == DECISION:
            # Weeks pass in seconds here. In real time what was received before has long left; otherwise the decision would,
            # rightly, still keep it back.
            gateway.drain()
        status, text = gateway.call("POST", "/v1/batch", key, json.dumps({"batch": events[at:end]}))
        if status != 200:
            sys.exit(f"batch at {at}: {status} {text}")
        answer = json.loads(text)
        accepted += answer["accepted"]
        rejected += len(answer["rejected"])
        at = end
    return accepted, rejected


def values(event):
    """What an event states besides IDs, in a form in which variants of one value are mostly the same."""
    stated = {**event.get("traits", {}), **event.get("properties", {})}
    email, phone, card = stated.get("email"), stated.get("phone"), stated.get("loyaltyCard")
    digits = "".join(c for c in (phone or "").replace("(0)", "") if c.isdigit()).lstrip("0")
    return [v for v in [email and email.strip().lower(), digits.removeprefix("49") or None, card] if v]


class Known:
    """What a gateway can know from the events received so far, by the rules of the documentation."""

    def __init__(self):
        self.device, self.person = {}, {}
        self.linked = collections.defaultdict(set)
        self.stated = collections.defaultdict(set)
        self.seen = set()

    def receive(self, event):
        d, u = event.get("anonymousId"), event.get("userId")
        if d and u:
            self.linked[d].add(u)
        for value in values(event):
            if u:
                self.stated[value].add(u)
        if event.get("event") == DECISION and event["messageId"] not in self.seen:
            given = event["context"]["consent"]["categoryPreferences"].get(PURPOSE)
            if d:
                self.device[d] = given
            if u:
                self.person[u] = given
        self.seen.add(event["messageId"])

    def verdict(self, event):
        d, u = event.get("anonymousId"), event.get("userId")
        own = [self.device.get(d) if d else None, self.person.get(u) if u else None]
        others = [self.person.get(p) for p in self.linked.get(d, ())]
        return any(x is True for x in own), any(x is False for x in own + others)

    def related(self, event):
        """Whether somebody else refused who was once stated with an address, number or card that the event states: a family's
        mailbox. The gateway may keep such an event back; the truth does not count it."""
        users = {u for value in values(event) for u in self.stated[value]}
        return any(self.person.get(u) is False for u in users)


def check(events, truth, arrived):
    known, failures = Known(), []
    counts = collections.Counter()
    for event, true in zip(events, truth):
        first = event["messageId"] not in known.seen
        known.receive(event)
        if not first:
            continue
        granted, denied = known.verdict(event)
        allowed = true["effective_at_receive"][PURPOSE]
        came = event["messageId"] in arrived
        counts["events"] += 1
        counts["allowed"] += allowed
        counts["allowed and arrived"] += allowed and came
        if came and not allowed:
            # Whatever forbids it could not be known: otherwise the rules, applied to what had been received, forbid it too.
            counts["forbidden, not knowable"] += 1
            if denied or not granted:
                failures.append(f"{event['messageId']} arrived although it was known to be forbidden")
        if came and (denied or not granted):
            failures.append(f"{event['messageId']} arrived without a grant or against a refusal that was known")
        if allowed and not came and granted and not denied:
            counts["kept back (mailbox)" if known.related(event) else "allowed and kept back"] += 1
    return counts, failures


def leaks(work, people):
    needles = set()
    for p in people:
        needles.update([p["email"].lower(), p["userId"], p["card"], *p["devices"], p["name"].lower()])
        needles.update(urllib.parse.quote(p["email"]).lower() for _ in [0])
        needles.update(phone.replace(" ", "") for phone in p["phones"] if phone.startswith("+"))
    needles = {n.encode() for n in needles}
    found = []
    for path in glob.glob(os.path.join(work, "**"), recursive=True):
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as f:
            data = f.read().lower()
        found += [f"{os.path.relpath(path, work)} holds an identifier" for n in needles if n.lower() in data][:1]
    return found


def main():
    parser = argparse.ArgumentParser()
    for name in ("--gateway", "--stream", "--policies"):
        parser.add_argument(name, required=True)
    parser.add_argument("--work")
    args = parser.parse_args()
    events, truth = lines(f"{args.stream}/events.ndjson.gz"), lines(f"{args.stream}/truth.ndjson.gz")
    people = json.load(open(f"{args.stream}/people.json", encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="pforte-retail") as temporary:
        work = args.work or temporary
        gateway = Gateway(args.gateway, args.policies, work)
        try:
            began = time.monotonic()
            accepted, rejected = replay(gateway, events)
            gateway.drain()
            took = time.monotonic() - began
            failures = leaks(work, people)
        finally:
            gateway.stop()
        failures += leaks(work, people)
        arrived = collections.Counter()
        for path in glob.glob(os.path.join(work, "out", "*.ndjson")):
            with open(path, encoding="utf-8") as f:
                arrived.update(json.loads(line)["messageId"] for line in f)
    counts, found = check(events, truth, arrived)
    failures += found
    failures += [f"{m} arrived {n} times" for m, n in arrived.items() if n > 1]
    retries = sum(t["duplicate"] for t in truth)
    share = counts["allowed and arrived"] / max(1, counts["allowed"])
    print(f"{len(people)} people, {counts['events']} events and {retries} retries in {took:.1f} s; {len(arrived)} arrived, {rejected} rejected")
    print(f"allowed by the truth: {counts['allowed']}; arrived of these: {counts['allowed and arrived']} ({share:.1%})")
    print(f"forbidden by a link or decision that no earlier event had stated: {counts['forbidden, not knowable']}, each proved")
    print(f"kept back because somebody who shares an address refused: {counts['kept back (mailbox)']}")
    print(f"allowed, known to be, and kept back all the same: {counts['allowed and kept back']}")
    if not arrived:
        failures.append("nothing arrived at all")
    if rejected:
        failures.append(f"{rejected} events were rejected")
    if counts["allowed and kept back"]:
        failures.append("events were kept back that all rules allow")
    for failure in failures[:20]:
        print("FAIL", failure)
    print(f"{0 if failures else 1} passed, {len(failures)} failed")
    sys.exit(bool(failures))


main()
