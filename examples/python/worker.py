#!/usr/bin/env python3
"""A Waybill worker with a stock Socket.IO client: takes jobs from a queue, publishes a result for each, acknowledges them.

    apt-get install python3-socketio python3-websocket      (or: pip install "python-socketio[client]")
    python3 worker.py http://127.0.0.1:3000 --client py-worker --jobs jobs --results results --count 5

Leave --count out to work until interrupted. docs/protocol.md explains every event that is used here.
"""

import argparse
import collections
import os
import queue
import sys

import socketio

CALL_TIMEOUT_S = 10
DONE_IDS_KEPT = 10_000


class Refused(Exception):
    """The hub answered a request, or one part of it, with an error."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.may_go_on = error["retryable"] or error["code"] == "LEASE_LOST"


class Worker:
    def __init__(self, options):
        self.options = options
        # The client runs each handler in a thread of its own; here their events come together again.
        self.events = queue.Queue()
        self.session = None
        self.done_count = 0
        # Ids of the last finished jobs: one whose ack was lost on the way is given again, and not to be done again.
        self.done = collections.deque(maxlen=DONE_IDS_KEPT)
        self.socket = socketio.Client()
        self.socket.on("welcome", lambda welcome: self.events.put((self.consume, welcome)))
        self.socket.on("deliver", lambda deliver: self.events.put((self.take, deliver)))

    def connect(self):
        self.socket.connect(
            self.options.url,
            auth=self.handshake,
            transports=["websocket"],
            wait_timeout=CALL_TIMEOUT_S,
        )

    def handshake(self):
        """Called for every connection: shows the last session, so that a short cut costs no lease."""
        shown = {"clientId": self.options.client, "token": self.options.token, "session": self.session}
        return {name: value for name, value in shown.items() if value is not None}

    def request(self, event, argument):
        reply = self.socket.call(event, argument, timeout=CALL_TIMEOUT_S)
        if not reply["ok"]:
            raise Refused(reply["error"])
        for result in reply.get("results", []):
            if "error" in result:
                raise Refused(result["error"])
        return reply

    def work(self):
        while self.options.count is None or self.done_count < self.options.count:
            handle, argument = self.events.get()
            try:
                handle(argument)
            except Refused as error:
                if not error.may_go_on:
                    raise
                print(f"worker: {error}", file=sys.stderr)
            except socketio.exceptions.SocketIOError as error:
                # The connection went. The client connects again, and what was not acknowledged is given again.
                print(f"worker: {error}", file=sys.stderr)

    def consume(self, welcome):
        print(f"welcome from hub {welcome['hubId']}, which keeps messages on: {welcome['durability']}", flush=True)
        self.session = welcome["session"]
        # Consumers end with their connection: each new one begins with asking for them again.
        self.request("consume", {"queue": self.options.jobs, "prefetch": self.options.prefetch})

    def take(self, deliver):
        for message in deliver["messages"]:
            if message["id"] not in self.done:
                self.do(message)
            delivery = {"id": message["id"], "attempt": message["attempt"]}
            self.request("ack", {"queue": deliver["queue"], "deliveries": [delivery]})

    def do(self, message):
        print(f"job {message['id']}, attempt {message['attempt']}: {message['payload']}", flush=True)
        # The result's id comes from the job's: however often the job is given, its result is stored once.
        result = {
            "id": f"result-of-{message['id']}",
            "queue": self.options.results,
            "event": "done",
            "payload": {"job": message["id"], "by": "python", "doubled": message["payload"]["number"] * 2},
        }
        self.request("publish", result)
        self.done.append(message["id"])
        self.done_count += 1


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default=os.environ.get("WAYBILL_URL", "http://127.0.0.1:3000"))
    parser.add_argument("--client", default="py-worker", help="who this is (default: %(default)s)")
    parser.add_argument("--token", default=os.environ.get("WAYBILL_TOKEN"), help="proof of it, where the hub asks")
    parser.add_argument("--jobs", default="jobs", help="queue to consume (default: %(default)s)")
    parser.add_argument("--results", default="results", help="queue to publish to (default: %(default)s)")
    parser.add_argument("--prefetch", type=int, default=4, help="jobs taken at once (default: %(default)s)")
    parser.add_argument("--count", type=int, help="jobs to do before leaving (default: no end)")
    return parser.parse_args()


def main():
    worker = Worker(read_options())
    try:
        worker.connect()
        worker.work()
    except KeyboardInterrupt:
        pass
    except (Refused, socketio.exceptions.SocketIOError) as error:
        print(f"worker: {error}", file=sys.stderr)
        return 1
    finally:
        worker.socket.disconnect()
    print(f"{worker.done_count} jobs done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
