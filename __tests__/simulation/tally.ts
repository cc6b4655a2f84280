import type { Deliver, Revoked } from "../../src/protocol/wire";
import type { Answer, Event } from "./history";

/** What runs have to come upon, for their silence to mean anything. */
export const EXERCISED = [
  "crashes with all synced",
  "crashes that kept a commit",
  "crashes that lost a commit",
  "restarts in order",
  "stores lost",
  "syncs that failed",
  "starts that failed",
  "cuts",
  "half-open connections",
  "clock steps",
  "disks full",
  "write errors",
  "slow disks",
  "sessions resumed",
  "publishes stored",
  "publishes answered as duplicates",
  "publishes refused",
  "queues full",
  "writes refused by the store",
  "deliveries",
  "redeliveries",
  "deliveries once more to a resumed session",
  "acks",
  "acks said again",
  "settlements refused as not the holder's",
  "nacks",
  "nacked to death",
  "extensions",
  "leases run out",
  "joins",
  "joins that look back",
  "leaves",
  "dead letters redriven",
  "dead letters purged",
  "expired",
] as const;

export type Exercise = (typeof EXERCISED)[number];

const FAULTS: Readonly<Record<string, Exercise>> = {
  "store lost": "stores lost",
  "sync failed": "syncs that failed",
  cut: "cuts",
  "half-open": "half-open connections",
  "clock step": "clock steps",
  "disk full": "disks full",
  "write errors": "write errors",
  "slow disk": "slow disks",
};

const STATUSES: Readonly<Record<string, Exercise>> = {
  stored: "publishes stored",
  duplicate: "publishes answered as duplicates",
  acked: "acks",
  already: "acks said again",
  nacked: "nacks",
  dead: "nacked to death",
  extended: "extensions",
};

/** Counts what runs came upon. */
export class Tally {
  readonly counts = new Map<Exercise, number>(EXERCISED.map((name) => [name, 0]));
  private readonly requests = new Map<string, string>();

  add(name: Exercise, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  /** What no run has come upon. */
  missing(): Exercise[] {
    return EXERCISED.filter((name) => this.counts.get(name) === 0);
  }

  see(event: Event): void {
    switch (event.kind) {
      case "hub":
        if (event.is === "closed") this.add("restarts in order");
        if (event.is === "unable to start") this.add("starts that failed");
        return;
      case "opened":
        if (event.resumed) this.add("sessions resumed");
        return;
      case "asked":
        this.requests.set(`${event.connection}/${event.no}`, event.request);
        if (event.request === "join") this.add("since" in event.argument ? "joins that look back" : "joins");
        if (event.request === "leave") this.add("leaves");
        return;
      case "answered":
        this.answered(event.answer, this.requests.get(`${event.connection}/${event.no}`) ?? "");
        return;
      case "delivered":
        this.delivered(event.deliver);
        return;
      case "revoked":
        this.revoked(event.revoked);
        return;
      case "fault":
        this.struck(event.what, event.detail);
        return;
      case "over":
        for (const { onDisk } of event.queues) this.add("expired", onDisk.expired);
        return;
      case "closed":
      case "note":
        return;
    }
  }

  private struck(what: string, detail: string): void {
    const fault = FAULTS[what];
    if (fault !== undefined) this.add(fault);
    if (what !== "crash") return;
    if (detail.includes("lost")) this.add("crashes that lost a commit");
    else this.add(detail.includes("kept") ? "crashes that kept a commit" : "crashes with all synced");
  }

  private answered(answer: Answer, request: string): void {
    const refused = answer["error"] === undefined ? [] : [answer["error"]];
    const results = (answer["results"] ?? []) as { status?: string; error?: unknown }[];
    for (const { status = "" } of results) {
      const exercise = STATUSES[status];
      if (exercise !== undefined) this.add(exercise);
    }
    for (const error of [...refused, ...results.flatMap(({ error: each }) => each ?? [])]) {
      const { code } = error as { code: string };
      if (code === "LEASE_LOST") this.add("settlements refused as not the holder's");
      if (code === "QUEUE_FULL") this.add("queues full");
      if (code === "STORE_UNAVAILABLE") this.add("writes refused by the store");
      if (request === "publish") this.add("publishes refused");
    }
    this.add("dead letters redriven", Number(answer["redriven"] ?? 0));
    this.add("dead letters purged", Number(answer["purged"] ?? 0));
  }

  private delivered({ messages }: Deliver): void {
    for (const { redelivered, attempt } of messages) {
      this.add(redelivered ? "redeliveries" : "deliveries");
      if (redelivered && attempt === 1) this.add("deliveries once more to a resumed session");
    }
  }

  private revoked({ deliveries }: Revoked): void {
    this.add("leases run out", deliveries.length);
  }
}
