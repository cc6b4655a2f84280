import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { runConfig } from "../bin/config";
import { LiveRules } from "../src/live-rules";
import { queueAddress } from "../src/queue/message";
import type { QueueRules } from "../src/queue/queue-rules";
import { QueuesFileError, queuesFileSchema, readQueuesFile } from "../src/queues-file";
import { readSettings } from "../src/read-config";

const EXAMPLE = path.join(__dirname, "..", "examples", "queues.json");
const folder = mkdtempSync(path.join(tmpdir(), "waybill-queues-"));
const file = path.join(folder, "queues.json");
const settings = readSettings({ queuesFile: file });

afterAll(() => rmSync(folder, { recursive: true }));

function write(content: unknown): void {
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
}

function problemsOf(content: unknown): readonly string[] {
  write(content);
  try {
    readQueuesFile(settings);
  } catch (error) {
    if (error instanceof QueuesFileError) return error.problems;
    throw error;
  }
  throw new Error("nothing was refused");
}

function rulesOf(name: string, namespace = "/"): QueueRules {
  return new LiveRules(settings).book.of(queueAddress(namespace, name));
}

describe("rules", () => {
  it("of the hub's settings hold where no file is named, or no rule matches", () => {
    expect(new LiveRules(readSettings({ leaseMs: 5_000 })).book.of(queueAddress("/", "q"))).toMatchObject({
      leaseMs: 5_000,
      maxMessages: 1_000_000,
      maxBytes: 2 ** 30,
      overflow: "reject",
      maxDeadLetters: 100_000,
      deadLetterExpired: false,
      exclusive: false,
    });
    write({ queues: [{ match: "/:other", leaseMs: 500 }] });
    expect(rulesOf("q").leaseMs).toBe(30_000);
  });

  it("of the last match count, setting by setting", () => {
    write({
      queues: [
        { match: "*", maxAttempts: 3, leaseMs: 1_000 },
        { match: "/:mail-*", leaseMs: 2_000, exclusive: true },
        { match: "/:mail-urgent", leaseMs: 4_000 },
      ],
    });
    expect(rulesOf("x", "/caps")).toMatchObject({ maxAttempts: 3, leaseMs: 1_000, exclusive: false });
    expect(rulesOf("mail-1")).toMatchObject({ maxAttempts: 3, leaseMs: 2_000, exclusive: true });
    expect(rulesOf("mail-urgent")).toMatchObject({ maxAttempts: 3, leaseMs: 4_000, exclusive: true });
    expect(rulesOf("mail-1", "/caps")).toMatchObject({ leaseMs: 1_000 });
  });

  it("may be for all inboxes", () => {
    write({ queues: [{ match: "/:@*", maxMessages: 10, overflow: "drop-oldest" }] });
    expect(rulesOf("@acme")).toMatchObject({ maxMessages: 10, overflow: "drop-oldest" });
    expect(rulesOf("acme")).toMatchObject({ maxMessages: 1_000_000, overflow: "reject" });
  });

  it("of the example are allowed, and are those that the README shows", () => {
    const example = readFileSync(EXAMPLE, "utf8");
    expect(readQueuesFile(readSettings({ queuesFile: EXAMPLE }))).toHaveLength(4);
    expect(readFileSync(path.join(__dirname, "..", "README.md"), "utf8")).toContain(`\`\`\`json\n${example}\`\`\`\n`);
  });
});

describe("a file is refused with where, what was given and what is allowed", () => {
  const WHOLE = "allowed: a whole number from 100 to 3600000 (ms)";
  const MATCH = /; allowed: a queue with its namespace, .* such as "\/caps:driver", or "\*"$/;
  it.each<[string, unknown, string | RegExp]>([
    ["no JSON", "{ queues: [] }", /^is not JSON: /],
    ["a list", [], 'the file: given []; allowed: an object with "queues"'],
    ["no rules", {}, "queues: given nothing; allowed: a list of rules"],
    [
      "rules that are none",
      { queues: ["/:q"] },
      'queues[0]: given "/:q"; allowed: an object with a match and settings',
    ],
    ["a text for a number", rule({ leaseMs: "500" }), `queues[0].leaseMs of "/:q": given "500"; ${WHOLE}`],
    ["a number out of bounds", rule({ leaseMs: 99 }), `queues[0].leaseMs of "/:q": given 99; ${WHOLE}`],
    ["part of a number", rule({ leaseMs: 100.5 }), `queues[0].leaseMs of "/:q": given 100.5; ${WHOLE}`],
    ["null", rule({ leaseMs: null }), `queues[0].leaseMs of "/:q": given null; ${WHOLE}`],
    [
      "another overflow",
      rule({ overflow: "drop" }),
      'queues[0].overflow of "/:q": given "drop"; allowed: "reject" or "drop-oldest"',
    ],
    ["yes", rule({ exclusive: "yes" }), 'queues[0].exclusive of "/:q": given "yes"; allowed: true or false'],
    [
      "a slip of the pen",
      rule({ leasMs: 500 }),
      'queues[0] of "/:q": there is no setting "leasMs"; did you mean leaseMs?',
    ],
    [
      "a word from elsewhere",
      rule({ visibilityTimeout: 30 }),
      /there is no setting "visibilityTimeout"; allowed: match, leaseMs, .*, exclusive$/,
    ],
    ["a slip at the top", { queues: [], queue: [] }, 'the file: there is no setting "queue"; did you mean queues?'],
    ["no match", { queues: [{ leaseMs: 500 }] }, MATCH],
    ["a match without a namespace", { queues: [{ match: "driver" }] }, MATCH],
    ["a match of a room", { queues: [{ match: "/:room:north" }] }, MATCH],
    ["a match of nothing", { queues: [{ match: "/:" }] }, MATCH],
    ["a pattern for namespaces", { queues: [{ match: "/*:q" }] }, MATCH],
    [
      "a namespace that the hub has not",
      { queues: [{ match: "/shop:q" }] },
      'queues[0].match: given "/shop:q"; allowed: namespaces of WAYBILL_NAMESPACES, which are /,/caps',
    ],
    [
      "less at most than at least",
      rule({ backoffMs: 5_000, backoffMaxMs: 4_000 }),
      'queues[0].backoffMaxMs of "/:q": given 4000; allowed: at least its backoffMs (5000)',
    ],
    [
      "more at least than the hub's at most",
      rule({ backoffMs: 200_000 }),
      'queues[0].backoffMs of "/:q": given 200000; allowed: at most its backoffMaxMs (120000)',
    ],
    [
      "less at most than another rule's at least",
      {
        queues: [
          { match: "/:*", backoffMs: 5_000 },
          { match: "/:q", backoffMaxMs: 10 },
        ],
      },
      'queues[1].backoffMaxMs of "/:q": given 10; allowed: at least its backoffMs (5000)',
    ],
  ])("%s", (_what, content, problem) => {
    expect(problemsOf(content)).toEqual([typeof problem === "string" ? problem : expect.stringMatching(problem)]);
  });

  function rule(given: object): object {
    return { queues: [{ match: "/:q", ...given }] };
  }

  it("and every problem is told, each on a line of its own", () => {
    write({ queues: [{ match: "/:q", leaseMs: 1, maxAttempts: 0 }, { match: "q" }], extra: 1 });
    expect(() => readQueuesFile(settings)).toThrow(
      expect.objectContaining({
        problems: expect.arrayContaining(Array<unknown>(4).fill(expect.any(String))) as unknown,
        message: expect.stringMatching(/^WAYBILL_QUEUES_FILE: \S+queues\.json:(\n {2}[^\n]+){4}$/) as unknown,
      }) as Error,
    );
  });

  it("as is one that cannot be read", () => {
    expect(() => readQueuesFile(readSettings({ queuesFile: "none.json" }))).toThrow(
      /^WAYBILL_QUEUES_FILE: none\.json: cannot be read: .*ENOENT/,
    );
  });
});

describe("a file that is read again", () => {
  it("is in force at once, and what has changed is told", () => {
    write({
      queues: [
        { match: "/:a", leaseMs: 1_000 },
        { match: "/:b", exclusive: true },
      ],
    });
    const rules = new LiveRules(settings);
    const queue = queueAddress("/", "a");
    expect(rules.book.of(queue).leaseMs).toBe(1_000);
    write({ queues: [{ match: "/:a", leaseMs: 2_000, maxAttempts: 3 }, { match: "/:c" }] });
    expect(rules.reload()).toEqual([
      "/:c: new, with no setting",
      "/:b: removed",
      "/:a: leaseMs 1000 -> 2000, maxAttempts as elsewhere -> 3",
    ]);
    expect(rules.book.of(queue)).toMatchObject({ leaseMs: 2_000, maxAttempts: 3 });
    expect(rules.reload()).toEqual([]);
  });

  it("tells of another order, which may change what counts, and of rules with one match", () => {
    const [one, two] = [
      { match: "*", leaseMs: 1_000 },
      { match: "/:a", leaseMs: 2_000 },
    ];
    write({ queues: [one, two, { match: "/:a", exclusive: true }] });
    const rules = new LiveRules(settings);
    write({ queues: [two, one, { match: "/:a", exclusive: false }] });
    expect(rules.reload()).toEqual(["/:a (2): exclusive true -> false", "the order of the rules has changed"]);
  });

  it("changes nothing when it is not allowed", () => {
    write({ queues: [{ match: "/:a", leaseMs: 1_000 }] });
    const rules = new LiveRules(settings);
    write({ queues: [{ match: "/:a", leaseMs: 1 }] });
    expect(() => rules.reload()).toThrow(QueuesFileError);
    expect(rules.book.of(queueAddress("/", "a")).leaseMs).toBe(1_000);
  });
});

describe("waybill config", () => {
  const { cwd, env } = { cwd: process.cwd(), env: process.env };

  // Neither this shell nor a .env has a say.
  beforeAll(() => {
    process.chdir(folder);
    process.env = {};
  });

  afterAll(() => {
    process.chdir(cwd);
    process.env = env;
  });

  /** What it writes while it runs in this process. */
  function run(...argv: string[]): { code: number; out: string; complaints: string } {
    let [out, complaints] = ["", ""];
    const stdout = jest.spyOn(process.stdout, "write").mockImplementation((text) => Boolean((out += String(text))));
    const stderr = jest
      .spyOn(process.stderr, "write")
      .mockImplementation((text) => Boolean((complaints += String(text))));
    try {
      return { code: runConfig(argv), out, complaints };
    } finally {
      stdout.mockRestore();
      stderr.mockRestore();
    }
  }

  it("check: says ok, and what queues of each rule have", () => {
    write({
      queues: [
        { match: "/:*", leaseMs: 1_000 },
        { match: "/:a", maxAttempts: 2 },
      ],
    });
    const { code, out, complaints } = run("check", "--queues-file", file, "--backoff-ms", "50");
    expect({ code, complaints }).toEqual({ code: 0, complaints: "" });
    const [ok, all, one, ...rest] = out.split("\n");
    expect([ok, ...rest]).toEqual([`ok: ${file}`, ""]);
    expect(all).toMatch(/^\/:\*: leaseMs 1000, maxAttempts 10, backoffMs 50, /);
    expect(one).toMatch(/^\/:a: leaseMs 1000, maxAttempts 2, backoffMs 50, .*exclusive false$/);
  });

  it("check: without a file there is nothing to say", () => {
    expect(run("check")).toMatchObject({
      code: 0,
      out: "ok: no WAYBILL_QUEUES_FILE, every queue is as the settings say\n",
    });
  });

  it("check: tells every problem, of settings and of the file, and exits 1", () => {
    write({ queues: [{ match: "/:q", leaseMs: 1 }] });
    const { code, out, complaints } = run("check", "--port", "x", "--lease-ms", "y", "--queues-file", file);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(complaints.split("\n")).toEqual([
      expect.stringMatching(/^--port \(PORT\): given "x"/),
      expect.stringMatching(/^--lease-ms \(WAYBILL_LEASE_MS\): given "y"/),
      expect.stringMatching(/^WAYBILL_QUEUES_FILE: .*queues\.json: queues\[0\]\.leaseMs of "\/:q": given 1;/),
      "",
    ]);
  });

  it("check: an address that is not for an open hub is a problem, too", () => {
    const { code, complaints } = run("check", "--host", "0.0.0.0");
    expect(code).toBe(1);
    expect(complaints).toMatch(/^--host \(HOST\): given "0\.0\.0\.0"; [^\n]+\n$/);
  });

  it("schema: prints a JSON Schema with all that a rule may set, and its bounds", () => {
    const { code, out } = run("schema");
    expect(code).toBe(0);
    const schema: unknown = JSON.parse(out);
    expect(schema).toEqual(JSON.parse(JSON.stringify(queuesFileSchema())));
    expect(schema).toMatchObject({
      additionalProperties: false,
      properties: {
        queues: {
          items: {
            required: ["match"],
            additionalProperties: false,
            properties: {
              leaseMs: { type: "integer", minimum: 100, maximum: 3_600_000 },
              overflow: { type: "string" },
            },
          },
        },
      },
    });
  });

  it.each([
    [[], "a command is missing"],
    [["bogus"], "no such command: bogus"],
    [["schema", "more"], "schema takes no more"],
  ])("%j: says what is wrong, and exits 2", (argv, problem) => {
    const complaints = `waybill config: ${problem} (see waybill config --help)\n`;
    expect(run(...argv)).toEqual({ code: 2, out: "", complaints });
  });
});
