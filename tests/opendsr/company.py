"""Another company, as the gateway meets it: a processor of OpenDSR 2.0, a controller that wants callbacks, and an API like Segment's.

Written from the specification (opengdpr/OpenDSR: specification.md, security_guidelines.md) and not from the gateway. Standard library
and the openssl program only; keys and certificates are made anew in the folder that is given, by an authority that nobody else knows.

    company.py FOLDER      prints its port and serves on localhost until its standard input ends

Tests steer it with POST /_set (what to answer from now on), POST /_call (make a callback) and GET /_seen (what has come).
"""

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = sys.argv[1]
LOCK = threading.Lock()
SEEN = []
REQUESTS = {}  # subject_request_id -> the request
REGULATIONS = {}
RELEASE = threading.Event()
SET = {
    "status": "pending",  # of every request
    "fault": None,  # 500, hold, bad_signature, wrong_domain, huge, no_json, foreign
    "certificate": "good",  # good, expired, other_host, stranger
    "types": ["erasure"],
    "identities": [["controller_customer_id", "raw"]],
    "regulation": "RUNNING",
    "callbacks_answer": 202,
    "token": None,
}


def path(name):
    return os.path.join(FOLDER, name)


def openssl(*args, data=None):
    done = subprocess.run(["openssl", *args], input=data, capture_output=True, cwd=FOLDER)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return done.stdout


CA_CONF = """
[ca]
default_ca = own
[own]
dir = .
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = none
unique_subject = no
[any]
commonName = supplied
"""


def make_certificates():
    with open(path("ca.conf"), "w") as f:
        f.write(CA_CONF)
    open(path("index.txt"), "w").close()
    for name in ("ca", "stranger_ca"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", f"/CN={name}", "-days", "30",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "leaf.key")
    openssl("req", "-new", "-key", "leaf.key", "-subj", "/CN=leaf", "-out", "leaf.csr")
    leaf("good", "ca", "localhost", "20200101000000Z", "20400101000000Z")
    leaf("expired", "ca", "localhost", "20200101000000Z", "20210101000000Z")
    leaf("other_host", "ca", "other.example", "20200101000000Z", "20400101000000Z")
    leaf("stranger", "stranger_ca", "localhost", "20200101000000Z", "20400101000000Z")


def leaf(name, ca, host, begin, end):
    with open(path("ext.conf"), "w") as f:
        f.write(f"subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    openssl("ca", "-batch", "-config", "ca.conf", "-keyfile", f"{ca}.key", "-cert", f"{ca}.pem", "-in", "leaf.csr",
            "-out", f"{name}.pem", "-startdate", begin, "-enddate", end, "-extfile", "ext.conf", "-notext")


def sign(body):
    return base64.b64encode(openssl("dgst", "-sha256", "-sign", "leaf.key", data=body)).decode()


def verify(body, signature, certificate):
    """Whether the certificate comes from our authority and its key has signed the body."""
    n = threading.get_ident()
    for name, content in ((f"v{n}.pem", certificate), (f"v{n}.sig", base64.b64decode(signature)), (f"v{n}.body", body)):
        with open(path(name), "wb") as f:
            f.write(content)
    try:
        openssl("verify", "-CAfile", "ca.pem", f"v{n}.pem")
        with open(path(f"v{n}.pub"), "wb") as f:
            f.write(openssl("x509", "-in", f"v{n}.pem", "-noout", "-pubkey"))
        openssl("dgst", "-sha256", "-verify", f"v{n}.pub", "-signature", f"v{n}.sig", f"v{n}.body")
        return True
    except RuntimeError:
        return False


class Company(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, body=b"", headers=()):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def signed(self, status, said):
        fault = SET["fault"]
        body = b"this is not JSON" if fault == "no_json" else json.dumps(said).encode()
        signature = sign(body + b"!" if fault == "bad_signature" else body)
        domain = "other.example" if fault == "wrong_domain" else "localhost"
        self.answer(status, body, [("X-OpenDSR-Processor-Domain", domain), ("X-OpenDSR-Signature", signature)])

    def faulty(self):
        """Does what a fault wants; says whether that was all."""
        fault = SET["fault"]
        if fault == "500":
            self.answer(500, b"oh")
        elif fault == "hold":
            RELEASE.wait(20)
            return False
        elif fault == "huge":
            self.answer(200, b"x" * 5_000_000)
        else:
            return False
        return True

    def said(self, request_id):
        said = {
            "controller_id": "shop",
            "expected_completion_time": "2030-01-01T00:00:00Z",
            "subject_request_id": request_id,
            "request_status": SET["status"],
            "api_version": "2.0",
        }
        if SET["fault"] == "foreign":
            said["subject_request_id"] = "00000000-0000-4000-8000-000000000000"
        return said

    def do_GET(self):
        if self.path == "/_seen":
            with LOCK:
                self.answer(200, SEEN)
        elif self.path == "/discovery":
            port = self.server.server_address[1]
            host = SET.get("certificate_host") or "localhost"
            self.answer(200, {
                "api_version": "2.0",
                "supported_identities": [{"identity_type": t, "identity_format": f} for t, f in SET["identities"]],
                "supported_subject_request_types": SET["types"],
                "processor_certificate": f"http://{host}:{port}/cert.pem",
            })
        elif self.path == "/cert.pem":
            with open(path(SET["certificate"] + ".pem"), "rb") as f:
                self.answer(200, f.read())
        elif self.path.startswith("/requests/"):
            request_id = self.path.rsplit("/", 1)[1]
            self.see("status", request_id)
            if self.faulty():
                return
            if request_id not in REQUESTS:
                self.answer(404, {"error": {"code": 404}})
            else:
                self.signed(200, self.said(request_id))
        elif self.path.startswith("/regulations/"):
            if self.faulty() or self.unauthorised():
                return
            name = self.path.rsplit("/", 1)[1]
            self.answer(200, {"data": {"regulation": {"id": name, "overallStatus": SET["regulation"]}}})
        else:
            self.answer(404)

    def do_POST(self):
        body = self.body()
        if self.path == "/_set":
            SET.update(json.loads(body))
            if SET["fault"] != "hold":
                RELEASE.set()
            else:
                RELEASE.clear()
            self.answer(200, {})
        elif self.path == "/_call":
            self.answer(200, call(json.loads(body)))
        elif self.path == "/events":
            self.see("event", json.loads(body))
            self.answer(200)
        elif self.path == "/requests":
            self.create(json.loads(body), body)
        elif self.path == "/regulations":
            self.see("regulation", json.loads(body))
            if self.faulty() or self.unauthorised():
                return
            name = f"regulation-{len(REGULATIONS)}"
            REGULATIONS[name] = json.loads(body)
            self.answer(200, {"data": {"regulateId": name}})
        elif self.path.startswith("/callbacks"):
            self.called_back(body)
        else:
            self.answer(404)

    def see(self, what, content):
        with LOCK:
            SEEN.append({"what": what, "content": content, "authorization": self.headers.get("Authorization")})

    def unauthorised(self):
        if SET["token"] and self.headers.get("Authorization") != f"Bearer {SET['token']}":
            self.answer(401, {"errors": [{"type": "unauthorized"}]})
            return True
        return False

    def create(self, request, body):
        request_id = request["subject_request_id"]
        self.see("request", request)
        if SET["fault"] == "500" or SET["fault"] == "huge" or self.unauthorised():
            if SET["fault"]:
                self.faulty()
            return
        with LOCK:
            # The specification does not say what a second one of the same ID is; like many, this company refuses it.
            is_new = request_id not in REQUESTS
            REQUESTS.setdefault(request_id, request)
        if self.faulty():
            return
        if not is_new:
            self.answer(400, {"error": {"code": 400, "message": "subject_request_id is known"}})
            return
        said = self.said(request_id)
        del said["request_status"]
        said["received_time"] = "2030-01-01T00:00:00Z"
        said["encoded_request"] = base64.b64encode(body).decode()
        self.signed(201, said)

    def called_back(self, body):
        """We are the controller: checks what a processor says, as the security guidelines want it."""
        answer = SET["callbacks_answer"]
        if answer != 202:
            self.see("refused_callback", None)
            self.answer(answer)
            return
        with urllib.request.urlopen(SET["processor"] + "/opendsr/discovery") as discovery:
            place = json.load(discovery)["processor_certificate"]
        with urllib.request.urlopen(SET["processor"] + "/" + place.split("/", 3)[3]) as served:
            certificate = served.read()
        signatures = [self.headers.get(f"X-{name}-Signature") for name in ("OpenDSR", "OpenGDPR")]
        domains = [self.headers.get(f"X-{name}-Processor-Domain") for name in ("OpenDSR", "OpenGDPR")]
        holds = all(s and verify(body, s, certificate) for s in signatures) and domains == ["localhost"] * 2
        self.see("callback", {"holds": holds, "said": json.loads(body), "path": self.path})
        self.answer(202 if holds else 400)


def call(wish):
    """Calls back about a request, rightly or with one thing wrong; says what was answered."""
    request = REQUESTS[wish["id"]]
    url = request["status_callback_urls"][0]
    said = {
        "controller_id": "shop",
        "expected_completion_time": "2030-01-01T00:00:00Z",
        "status_callback_url": url,
        "subject_request_id": wish["id"],
        "request_status": wish["status"],
    }
    said.update(wish.get("said", {}))
    body = wish["body"].encode() if "body" in wish else json.dumps(said).encode()
    signature = sign(body)
    if wish.get("changed"):
        body = body.replace(wish["status"].encode(), wish["changed"].encode())
    prefix = wish.get("prefix", "X-OpenDSR")
    headers = {
        "Content-Type": "application/json",
        f"{prefix}-Processor-Domain": wish.get("domain", "localhost"),
        f"{prefix}-Signature": wish.get("signature", signature),
    }
    target = "/" + wish.get("url", url).split("/", 3)[3]
    connection = http.client.HTTPConnection(wish["gateway"], timeout=20)
    connection.request("POST", target, body, headers)
    answer = connection.getresponse()
    return {"status": answer.status, "text": answer.read().decode()}


def main():
    make_certificates()
    server = ThreadingHTTPServer(("localhost", 0), Company)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
