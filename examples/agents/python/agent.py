"""A webhook agent of a mesh: the mesh posts signed frames here, this counts the words of each payload and answers in the response.

Python 3.9 or newer, standard library only. The wire is docs/protocol/links.md. Needs a clock that is right to some seconds.
"""

import argparse
import base64
import hashlib
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ed25519

FRAME_BYTES_MAX = 1 << 20
HEADER_BYTES_MAX = 64 * 1024
MESSAGES_MAX = 256
WINDOW = 64
KNOWN_MAX = 10_000
HEADER_FIELDS = {"type": str, "from": str, "to": str, "epoch": int, "seq": int, "sent_at": str, "expires_at": str, "key": str, "path": list, "sig": str}


class Refused(Exception):
    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text, length):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(data) != length or b64(data) != text:
        raise ValueError("not the only base64url text of its bytes")
    return data


def key_id(public):
    return "k-" + hashlib.sha256(public).hexdigest()[:16]


def now():
    return datetime.now(timezone.utc)


def to_text(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_time(text):
    whole, _, fraction = text[:-1].partition(".")
    if not text.endswith("Z"):
        raise ValueError("a time in UTC ends with Z")
    return datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc) + timedelta(microseconds=int((fraction + "000000")[:6]))


def unique(pairs):
    """No field twice: two readers must never understand a signed frame differently."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is there twice")
    return fields


def raw_field(line, name):
    """The text of one field of a JSON object as it stands there: the payload's hash is over these very bytes."""
    decoder, at = json.JSONDecoder(), line.index("{") + 1
    while True:
        while line[at] in " \t,":
            at += 1
        if line[at] == "}":
            return None
        key, at = decoder.raw_decode(line, at)
        while line[at] in " \t:":
            at += 1
        start = at
        _, at = decoder.raw_decode(line, at)
        if key == name:
            return line[start:at]
        while line[at] in " \t":
            at += 1


def signing_root(header, messages):
    lines = ["mesh30k-frame-v1", "FRAME", header["from"], header["to"], str(header["epoch"]), str(header["seq"]), header["sent_at"], header["expires_at"], header["key"], str(len(messages))]
    lines += [hashlib.sha256(message).hexdigest() for message in messages]
    node = hashlib.sha256(b"\x00" + "".join(line + "\n" for line in lines).encode()).digest()
    for entry in header.get("path", []):
        other = unb64(entry[1:], 32)
        node = hashlib.sha256(b"\x01" + (other + node if entry[0] == "l" else node + other)).digest()
    return b"mesh30k-root-v1\n" + node


class Agent:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "agent.json"), encoding="utf-8") as file:
            known = json.load(file)
        self.seed = read_seed(folder)
        self.id, self.mesh = known["agent_id"], known["mesh_id"]
        self.mesh_keys = {key_id(unb64(text, 32)): unb64(text, 32) for text in known["mesh_keys"]}
        self.key = key_id(ed25519.public_key(self.seed))
        self.lock = threading.Lock()
        self.epoch, self.highest, self.seen = 0, 0, set()
        self.answers = OrderedDict()

    def open_frame(self, body):
        """The header and the messages of a frame that holds, checked in the order of links.md."""
        try:
            lines = body.split(b"\n")
            header = json.loads(lines[0].decode("utf-8"), object_pairs_hook=unique)
            messages = lines[1:]
            if len(body) > FRAME_BYTES_MAX or len(lines[0]) > HEADER_BYTES_MAX or not 1 <= len(messages) <= MESSAGES_MAX or not all(messages):
                raise ValueError("size")
            if set(header) - {"path"} != set(HEADER_FIELDS) - {"path"} or any(type(value) is not HEADER_FIELDS[name] for name, value in header.items()):
                raise ValueError("fields")
            if header["type"] != "FRAME" or not 1 <= header["epoch"] < 2**53 or not 1 <= header["seq"] < 2**53 or len(header.get("path", [])) > 16:
                raise ValueError("values")
            if any(len(entry) < 1 or entry[0] not in "lr" for entry in header.get("path", [])):
                raise ValueError("path")
            root, signature = signing_root(header, messages), unb64(header["sig"], 64)
            sent, expires = to_time(header["sent_at"]), to_time(header["expires_at"])
        except (ValueError, KeyError, TypeError, AttributeError) as broken:
            raise Refused("malformed", f"not a frame: {type(broken).__name__}") from None
        if header["to"] != self.id or header["from"] != self.mesh:
            raise Refused("wrong_address", "not from my mesh to me")
        with self.lock:
            if header["epoch"] < self.epoch:
                raise Refused("wrong_epoch", "of an older session")
            at = now()
            if at > expires or expires <= sent or expires - sent > timedelta(minutes=5) or sent - at > timedelta(seconds=60):
                raise Refused("expired", "its time is over, or cannot be")
            public = self.mesh_keys.get(header["key"])
            if public is None:
                raise Refused("unknown_key", "not a key of the mesh")
            new_epoch = header["epoch"] > self.epoch
            if not new_epoch and (header["seq"] in self.seen or header["seq"] < self.highest - WINDOW):
                raise Refused("replayed", "that number was seen")
        if not ed25519.verify(public, root, signature):
            raise Refused("bad_signature", "the signature does not hold")
        with self.lock:
            # Once more: two threads may have checked the same frame at the same time.
            if header["epoch"] < self.epoch or (header["epoch"] == self.epoch and header["seq"] in self.seen):
                raise Refused("replayed", "that number was seen")
            if header["epoch"] > self.epoch:
                self.epoch, self.highest, self.seen = header["epoch"], 0, set()
            self.highest = max(self.highest, header["seq"])
            self.seen = {seq for seq in self.seen if seq >= self.highest - WINDOW} | {header["seq"]}
        return header, messages

    def write_frame(self, request, answers):
        """An answer has the epoch and the seq of its request. It goes when it is ready: over a webhook nothing is held until T."""
        lines = [json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() for answer in answers]
        at = now()
        header = {"type": "FRAME", "from": self.id, "to": self.mesh, "epoch": request["epoch"], "seq": request["seq"], "sent_at": to_text(at), "expires_at": to_text(at + timedelta(seconds=30)), "key": self.key}
        header["sig"] = b64(ed25519.sign(self.seed, signing_root(header, lines)))
        return b"\n".join([json.dumps(header, separators=(",", ":")).encode(), *lines])

    def answer(self, body):
        header, lines = self.open_frame(body)
        answers = []
        for line in lines:
            try:
                message = json.loads(line)
                if message.get("type") == "COORDINATE":
                    answers.append(self.coordinate(message, line.decode("utf-8")))
                elif message.get("type") == "MESH_KEY":
                    self.trust(message["public_key"])
            except (ValueError, KeyError, TypeError) as broken:
                raise Refused("malformed", f"not a message: {type(broken).__name__}") from None
        if not answers:  # CLOCK asks whether somebody is there
            answers = [{"type": "HEARTBEAT", "agent_id": self.id, "timestamp": to_text(now()), "queue_depth": 0}]
        return self.write_frame(header, answers)

    def coordinate(self, message, line):
        with self.lock:
            known = self.answers.get(message["message_id"])
        if known:
            return known
        started = time.perf_counter()
        payload = raw_field(line, "payload")
        answer = {"type": "ACK", "message_id": message["message_id"], "agent_id": self.id, "trinary_state": 1}
        if message.get("payload_hash") not in (None, "sha256:" + hashlib.sha256(payload.encode()).hexdigest()):
            answer.update(trinary_state=-1, conflict_detail={"type": "HASH_MISMATCH"})
        else:
            answer["result"] = json.dumps(count(json.loads(payload)))
        answer["actual_arrival_time"] = to_text(now())
        answer["processing_time_ms"] = round((time.perf_counter() - started) * 1000, 3)
        with self.lock:
            self.answers[message["message_id"]] = answer
            while len(self.answers) > KNOWN_MAX:
                self.answers.popitem(last=False)
        return answer

    def trust(self, text):
        public = unb64(text, 32)
        with self.lock:
            self.mesh_keys[key_id(public)] = public
            save(self.folder, "agent.json", json.dumps({"agent_id": self.id, "mesh_id": self.mesh, "mesh_keys": [b64(key) for key in self.mesh_keys.values()]}))


def count(payload):
    """The work: lines, words and characters of a text, or of all texts in a value."""
    texts, rest = [], [payload]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
    return {"lines": sum(len(text.splitlines()) for text in texts), "words": sum(len(text.split()) for text in texts), "characters": sum(map(len, texts))}


def save(folder, name, text):
    beside = os.path.join(folder, name + ".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, os.path.join(folder, name))


def read_seed(folder):
    path = os.path.join(folder, "key.seed")
    if os.stat(path).st_mode & 0o077:
        sys.exit(f"{path} can be read by others; run: chmod 600 {path}")
    with open(path, encoding="ascii") as file:
        return unb64(file.read().strip(), 32)


def enrol(folder, node, token, agent_id):
    version, mesh, mesh_key, _ = token.split(".", 3)
    if version != "mt1":
        sys.exit("this is no token: it has the form mt1.MESH.KEY.SECRET")
    # The key is kept before it is sent: when the answer is lost, the same key asks again.
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if not os.path.exists(os.path.join(folder, "key.seed")):
        save(folder, "key.seed", b64(os.urandom(32)))
    seed = read_seed(folder)
    public = b64(ed25519.public_key(seed))
    proof = ed25519.sign(seed, f"mesh30k-key-v1\n{agent_id}\nmesh:{mesh}\n{public}\n".encode())
    body = json.dumps({"token": token, "agent_id": agent_id, "public_key": public, "proof": b64(proof)}).encode()
    request = urllib.request.Request(node.rstrip("/") + "/v1/agents/enrol", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=15) as response:
            reply = json.load(response)
    except urllib.error.HTTPError as refused:
        sys.exit(f"the mesh refused the enrolment: {json.load(refused).get('detail', refused.reason)}")
    except OSError as away:
        sys.exit(f"the node did not answer: {away}")
    keys = [entry["public_key"] for entry in reply["mesh_keys"]]
    if reply["mesh_id"] != "mesh:" + mesh or "k-" + mesh_key not in [key_id(unb64(key, 32)) for key in keys]:
        sys.exit("the node that answered is not the mesh that gave the token")
    save(folder, "agent.json", json.dumps({"agent_id": reply["agent_id"], "mesh_id": reply["mesh_id"], "mesh_keys": keys}))


def handler_of(agent):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= FRAME_BYTES_MAX:
                return self.reply(413, b"", close=True)
            body = self.rfile.read(length)
            try:
                self.reply(200, agent.answer(body))
            except Refused as refused:
                print(f"refused a frame: {refused.code}: {refused}", file=sys.stderr, flush=True)
                self.reply(400, json.dumps({"type": "REFUSED", "code": refused.code, "message": str(refused)}).encode())

        def reply(self, status, body, close=False):
            self.send_response(status)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Content-Length", str(len(body)))
            if close:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    return Handler


def main():
    options = argparse.ArgumentParser(description="A webhook agent that counts words.")
    options.add_argument("--node", default=os.environ.get("MESH_NODE", "http://127.0.0.1:7300"), help="where to enrol, the first time")
    options.add_argument("--identity", required=True, help="the folder of its key and id; made when it enrols")
    options.add_argument("--id", help="the agent's id, the first time")
    options.add_argument("--listen", default="127.0.0.1:7401", help="where the mesh posts to")
    given = options.parse_args()
    if not os.path.exists(os.path.join(given.identity, "agent.json")):
        token = os.environ.get("MESH_ENROL_TOKEN")
        if not token or not given.id:
            sys.exit("not enrolled yet: give --id NAME and the token of `mesh agent enrol` in MESH_ENROL_TOKEN")
        enrol(given.identity, given.node, token.strip(), given.id)
    agent = Agent(given.identity)
    host, _, port = given.listen.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), handler_of(agent))
    server.daemon_threads = True
    print(f"{agent.id} listens on http://{host}:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
