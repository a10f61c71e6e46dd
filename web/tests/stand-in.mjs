// A server that speaks the console's contract from fixed literals. It decides nothing.
// `node tests/look.mjs [PORT [cluster]]` serves the pages with it, for a look.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { crowdFlow, crowdPicture } from "./stand-in/crowd.mjs";
import { ago, COMPARED, dead, decision, filtered, fired, groups, LETTERS, waits } from "./stand-in/data.mjs";

/** The folder of the pages' sources; tests are started in it. */
const WEB = process.cwd();
const literal = (name) => readFileSync(join(WEB, "tests/literals", name), "utf8");

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ALL_RIGHTS = { payload: true, replay: true, drop: true, pause: true, send: true };
const NO_RIGHTS = { payload: false, replay: false, drop: false, pause: false, send: false };
const REASONS = {
  payload: "you may not get `payloads` of sensors.argoproj.io in namespace playground",
  replay: "you may not create `replays` in namespace playground",
  drop: "you may not delete dead letters in namespace playground",
  pause: "you may not patch sensors.argoproj.io in namespace playground",
  send: "you may not create events in namespace playground",
};

/** What logs in where the stand-in is in a cluster, and as whom. */
const TOKENS = {
  "token-of-ada": { user: "system:serviceaccount:playground:ada", rights: ALL_RIGHTS, reasons: {} },
  "token-of-viewer": { user: "system:serviceaccount:playground:viewer", rights: NO_RIGHTS, reasons: REASONS },
  "token-of-nobody": { user: "nobody@harbour.example", rights: NO_RIGHTS, reasons: REASONS, isBlind: true },
};
const ON_A_DESK = { user: "ada", rights: ALL_RIGHTS, reasons: {} };
const VIEWER = { user: "viewer", rights: NO_RIGHTS, reasons: REASONS };
/** What is answered without a session. */
const OPEN = ["POST /login", "POST /logout"];

export const NAUGHTY = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

/** Starts it on a free port, or on `port`. */
export async function startStandIn({ port = 0, rate = 0, ...options } = {}) {
  const world = new World(options);
  const server = createServer((request, response) => world.answer(request, response));
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const timers = [setInterval(() => world.tick(), 2000)];
  if (rate > 0) {
    timers.push(setInterval(() => world.publish(Math.max(1, Math.round(rate / 5))), 200));
  }
  const address = `http://127.0.0.1:${server.address().port}`;
  return {
    address,
    world,
    close: async () => {
      timers.forEach(clearInterval);
      world.breakStreams();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class World {
  constructor({ viewer = false, naughty = false, sensors = 0, cluster = false }) {
    this.cluster = cluster;
    this.desk = viewer ? VIEWER : ON_A_DESK;
    this.sessions = new Map();
    this.refused = 0;
    this.naughty = naughty;
    this.sensors = sensors;
    this.streams = new Set();
    this.isDown = false;
    this.letters = [...LETTERS];
    this.paused = new Set(["filters/release-sn"]);
    this.acts = [];
    this.events = Array.from({ length: 240 }, (_, at) => this.event(1000 + at, (240 - at) * 17));
  }

  event(number, age) {
    const kinds = [fired, filtered, dead, waits, fired, fired];
    const event = kinds[number % kinds.length](number, ago(age));
    if (this.sensors > 0) {
      const at = number % this.sensors;
      event.decisions = [decision("crowd", `sensor-${at}`, "call", "fired", ""), ...event.decisions];
    }
    if (this.naughty) {
      const { id, source, name, type, subject } = event;
      Object.assign(event, { id: id + NAUGHTY, source: source + NAUGHTY, name: name + NAUGHTY, type: type + NAUGHTY });
      event.subject = subject + NAUGHTY;
      event.summary = NAUGHTY;
      event.decisions = event.decisions.map((one) => ({ ...one, sensor: one.sensor + NAUGHTY, reason: NAUGHTY }));
    }
    return event;
  }

  publish(count = 1) {
    const next = this.events[this.events.length - 1].number + 1;
    const events = Array.from({ length: count }, (_, at) => this.event(next + at, 0));
    this.events.push(...events);
    this.events.splice(0, this.events.length - 5000);
    this.send("events", [...events].reverse(), events[events.length - 1].number);
  }

  send(name, data, id) {
    for (const stream of this.streams) {
      const seen = name === "events" && !stream.who.rights.payload ? data.map(veiled) : data;
      stream.write(`event: ${name}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(seen)}\n\n`);
    }
  }

  /** Ends all sessions, as a console that starts anew does, and the streams with them. */
  endSessions() {
    this.sessions.clear();
    this.breakStreams();
  }

  tick() {
    this.send("rates", this.rates());
  }

  breakStreams() {
    for (const stream of this.streams) {
      stream.destroy();
    }
    this.streams.clear();
  }

  async answer(request, response) {
    const url = new URL(request.url, "http://stand-in");
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (this.isDown) {
      request.socket.destroy();
      return;
    }
    if (!url.pathname.startsWith("/api/")) {
      page(url.pathname, response);
      return;
    }
    const key = /console=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
    const who = this.cluster ? this.sessions.get(key) : this.desk;
    const route = `${request.method} ${url.pathname.slice(4)}`;
    if (!who && !OPEN.includes(route)) {
      json(response, 401, { error: "log in first", login: true });
      return;
    }
    if (who?.isBlind && request.method === "GET" && route !== "GET /session") {
      this.refused += route === "GET /stream" ? 1 : 0;
      json(response, 403, {
        error: `${who.user} may not list sensors (argoproj.io) in namespace playground`,
        hint: "a role has to allow it: verb list on sensors.argoproj.io",
      });
      return;
    }
    if (route === "GET /stream") {
      this.open(response, who);
      return;
    }
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : null;
    const query = Object.fromEntries(url.searchParams);
    if (OPEN.includes(route)) {
      this.door(route, body, key, response);
      return;
    }
    if (route === "GET /flow.svg") {
      response.setHeader("Content-Type", "image/svg+xml");
      response.end(this.sensors > 0 ? crowdPicture(this.sensors) : this.dressed(literal("flow.svg")));
      return;
    }
    const answer = this.routes[route]?.(query, body, who);
    if (answer?.refused403) {
      json(response, 403, { error: answer.refused403 });
      return;
    }
    json(
      response,
      answer === undefined ? 404 : 200,
      answer ?? { error: `There is no ${url.pathname}.`, hint: "Look at the list." },
    );
  }

  dressed(svg) {
    return this.naughty ? svg.replaceAll("harbour", "&lt;img src=x onerror=alert(1)&gt;") : svg;
  }

  /** Logs in and out. */
  door(route, body, key, response) {
    const who = TOKENS[body.token];
    if (route === "POST /logout") {
      this.sessions.delete(key);
      response.setHeader("Set-Cookie", "console=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
      json(response, 200, { done: [], refused: [] });
    } else if (who) {
      const key = `session${this.sessions.size}x${Date.now()}`;
      this.sessions.set(key, who);
      response.setHeader("Set-Cookie", `console=${key}; HttpOnly; SameSite=Strict; Path=/`);
      json(response, 200, this.session(who));
    } else {
      json(response, 401, {
        error: "the cluster does not know this token",
        hint: "Perhaps it has expired, or is of another cluster.",
      });
    }
  }

  session({ user, rights, reasons }) {
    return {
      version: "0.9.0",
      mode: this.cluster ? "cluster" : "desk",
      place: "nats://127.0.0.1:4222, through the API server of kind-harbour",
      namespace: this.cluster ? "playground" : null,
      bus: this.cluster ? "jetstream-eb" : null,
      user,
      rights,
      reasons,
    };
  }

  open(response, who) {
    response.who = who;
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write("retry: 300\n\n");
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
    response.write(`event: bus\ndata: {"ok":true,"message":null}\n\n`);
    response.write(`event: rates\ndata: ${JSON.stringify(this.rates())}\n\n`);
  }

  rates() {
    const row = (namespace, sensor, trigger, rate, lag, deadLetters, p95) => {
      return {
        namespace,
        sensor,
        trigger,
        consumer: `${sensor}-${trigger}`,
        rate,
        lag,
        inHand: 1,
        repeated: 0,
        deadLetters,
        p95,
      };
    };
    const crowd = Array.from({ length: this.sensors }, (_, at) =>
      row("crowd", `sensor-${at}`, "call", (at % 7) / 3, at % 5, 0, 4),
    );
    const dead = (sensor) => this.letters.filter((letter) => letter.sensor === sensor).length;
    return {
      published: 14.3 + Math.round(Math.random() * 10) / 10,
      stored: 12345,
      rows: [
        row("playground", "ingress-sn", "ingress", 2.3, 4, dead("ingress-sn"), 12.4),
        row("playground", "ingress-sn", "log", 2.3, 0, 0, 0.4),
        row("filters", "release-sn", "note", 0, 312, 0, null),
        row("github-workflow", "build-sn", "build", 12, 0, dead("build-sn"), 41.7),
        row("ingress-port-fallback", "ingress-sn", "ingress", 0.2, 0, 0, 9.1),
        ...crowd,
      ],
      events: [
        { source: "playground/ingress-es", name: "ingress", rate: 2.3, count: 4312 },
        { source: "filters/release-es", name: "deployment", rate: 0.4, count: 77 },
        { source: "github-workflow/code-es", name: "push", rate: 12, count: 8801 },
        { source: "ingress-port-fallback/ingress-es", name: "ingress", rate: 0.2, count: 21 },
        { source: "crowd/crowd-es", name: "call", rate: 20, count: 100 },
      ],
    };
  }

  objects() {
    const object = (kind, namespace, name, more = {}) => ({
      kind,
      namespace,
      name,
      ready: true,
      reason: null,
      message: null,
      paused: this.paused.has(`${namespace}/${name}`),
      faults: [],
      triggers: [],
      events: [],
      ...more,
    });
    const crowd = Array.from({ length: this.sensors }, (_, at) =>
      object("Sensor", "crowd", `sensor-${at}`, { triggers: ["call"] }),
    );
    return [
      object("EventBus", "playground", "jetstream-eb"),
      object("EventBus", "filters", "jetstream-eb"),
      object("EventBus", "github-workflow", "jetstream-eb"),
      object("EventSource", "playground", "ingress-es", { events: ["ingress"] }),
      object("EventSource", "filters", "release-es", { events: ["deployment"] }),
      object("EventSource", "github-workflow", "code-es", {
        events: ["push"],
        ready: false,
        reason: "PodsNotReady",
        message: "0 of 1 pods are ready: the webhook's port 12000 is taken",
      }),
      object("Sensor", "playground", "ingress-sn", { triggers: ["ingress", "log"] }),
      object("Sensor", "filters", "release-sn", { triggers: ["note"] }),
      object("Sensor", "github-workflow", "build-sn", {
        triggers: ["build"],
        faults: ["build-sn.yaml:31: parameters[1]: nothing reads `body.head_comit`; did you mean `body.head_commit`?"],
      }),
      object("Sensor", "ingress-port-fallback", "ingress-sn", { triggers: ["ingress"], ready: null }),
      ...crowd,
    ];
  }

  routes = {
    "GET /session": (_, __, who) => this.session(who),
    "GET /flow": () => (this.sensors > 0 ? crowdFlow(this.sensors) : JSON.parse(literal("flow.json"))),
    "GET /objects": () => ({ objects: this.objects() }),
    "GET /object": (query) => {
      const found = this.objects().find(
        (one) => one.kind === query.kind && one.namespace === query.namespace && one.name === query.name,
      );
      return (
        found && {
          ...found,
          manifest:
            found.kind === "Sensor"
              ? MANIFEST
              : `apiVersion: argoproj.io/v1alpha1\nkind: ${found.kind}\nmetadata:\n  name: ${found.name}\n`,
          conditions: [
            { type: "Deployed", status: "True", reason: null, message: null, since: ago(86400) },
            {
              type: "Ready",
              status: found.ready === false ? "False" : "True",
              reason: found.reason,
              message: found.message,
              since: ago(3000),
            },
          ],
          consumers: this.rates().rows.filter((row) => row.sensor === found.name && row.namespace === found.namespace),
          lines: found.kind === "Sensor" ? ["trigger ingress: 4,308 of 4,312 events done, 4 to come"] : [],
        }
      );
    },
    "GET /events": (query, _, who) => {
      const before = Number(query.before ?? Number.MAX_SAFE_INTEGER);
      // So rare that none of the newest ones has it.
      const isRare = query.text === this.events[0].id && query.before === undefined;
      const passes = (event) =>
        event.number < before &&
        (!query.sensor || event.decisions.some((one) => one.sensor === query.sensor)) &&
        !isRare &&
        (!query.text || JSON.stringify(event).includes(query.text));
      const all = this.events.filter(passes);
      const events = all.slice(-Number(query.limit ?? 100)).reverse();
      return {
        events: who.rights.payload ? events : events.map(veiled),
        first: this.events[0].number,
        last: this.events[this.events.length - 1].number,
        next: isRare ? this.events[1].number : all.length > events.length ? events[events.length - 1].number : null,
      };
    },
    "GET /event": (query, _, who) => this.detail(Number(query.number), who),
    "GET /dead-letters": (query, _, who) => {
      const all = this.letters.map((letter) => seen(letter, who));
      const letters = all.filter((letter) => !query.sensor || letter.sensor === query.sensor);
      return { groups: groups(letters), total: letters.length };
    },
    "GET /dead-letters/list": (query, _, who) => ({
      letters: this.letters
        .filter((letter) => letter.sensor === query.sensor && letter.trigger === query.trigger)
        .map((letter) => seen(letter, who)),
    }),
    "GET /dead-letter": (query, _, who) => {
      const letter = this.letters.find((letter) => letter.number === Number(query.number));
      return (
        letter && {
          ...seen(letter, who),
          text: who.rights.payload ? `dead letter ${letter.number} of sensor ${letter.sensor}` : "",
        }
      );
    },
    "POST /dead-letters/replay": (_, body) => this.act("replay", body),
    "POST /dead-letters/drop": (_, body) => this.act("drop", body),
    "POST /objects/pause": (_, body) => this.pause(body, true),
    "POST /objects/resume": (_, body) => this.pause(body, false),
    "POST /events/send-again": (_, body) => ({
      done: [
        `Event ${body.number} ${body.dryRun ? "would be" : "was"} published again on playground.ingress-es.ingress with a new id.`,
      ],
      refused: [],
    }),
    "POST /event/explain": (_, body, who) => ({
      ...this.detail(body.number, who),
      refused403: who.reasons.payload,
      conclusion: ["With the edited Sensor it would fire trigger ingress of playground/ingress-sn."],
    }),
    "POST /events/test": (_, body, who) => ({
      refused403: who.reasons.payload,
      file: `# Event ${body.number} of the bus.\ncases:\n- name: event ${body.number}\n  expect: nothing\n`,
    }),
    "POST /try": (_, body) => {
      if (body.manifests.includes("kind: Sensr")) {
        const fault = {
          line: 3,
          path: "kind",
          message: "Sensr is no kind of ours",
          hint: "Did you mean Sensor?",
          severity: "error",
        };
        return { text: "", reports: [], faults: [fault] };
      }
      return {
        text: "sensor playground/ingress-sn\n  trigger ingress (Kubernetes) fires\n",
        reports: [JSON.parse(literal("fired.json"))],
        faults: [],
      };
    },
    "POST /compare": (_, __, who) => ({ ...COMPARED, refused403: who.reasons.payload }),
  };

  act(verb, body) {
    this.acts.push({ verb, ...body });
    const isMeant = (letter) =>
      body.all ||
      body.numbers?.includes(letter.number) ||
      (body.group &&
        letter.trigger === body.group.trigger &&
        letter.reason === body.group.reason &&
        (body.group.error === null || letter.error === body.group.error));
    const meant = this.letters.filter(isMeant);
    if (!body.dryRun) {
      this.letters = this.letters.filter((letter) => !isMeant(letter));
      this.tick();
    }
    const word = verb === "replay" ? "replayed through Sensor" : "dropped from Sensor";
    return {
      done: meant.map(
        (letter) =>
          `Dead letter ${letter.number} ${body.dryRun ? "would be" : "was"} ${word} ${letter.namespace}/${letter.sensor}.`,
      ),
      refused: body.all ? ["Dead letter 7 is cut: its payload was too long to keep."] : [],
    };
  }

  pause({ namespace, name, dryRun }, isPaused) {
    const word = isPaused ? "paused" : "resumed";
    if (!dryRun) {
      this.paused[isPaused ? "add" : "delete"](`${namespace}/${name}`);
      this.send("objects", { version: Date.now() });
    }
    return {
      done: [`${namespace}/${name} ${dryRun ? "would be" : "was"} ${word}; events wait on the bus.`],
      refused: [],
    };
  }

  detail(number, who) {
    const event = this.events.find((event) => event.number === number);
    if (!event) {
      return undefined;
    }
    const isFiltered = event.decisions.some((one) => one.outcome === "filtered");
    const report = JSON.parse(literal(isFiltered ? "filtered.json" : "fired.json"));
    const mark = (text) => (this.naughty ? text + NAUGHTY : text);
    if (this.naughty) {
      report.event.data.body.note = NAUGHTY;
      report.sensors[0].triggers[0].trigger = NAUGHTY;
      report.notWaiting = [{ sensor: NAUGHTY, reason: NAUGHTY }];
    }
    const commands = {
      why: `tiphys why ${event.number} -n playground`,
      simulate: "tiphys simulate -f . --event event.json",
    };
    const isDead = event.decisions.some((one) => one.outcome === "dead_lettered");
    if (!who.rights.payload) {
      return {
        event: veiled(event),
        data: null,
        reports: [],
        text: "",
        conclusion: [],
        progress: ["trigger ingress: acknowledged after 12 ms, attempt 1"],
        deadLetters: isDead ? [{ number: 41, at: ago(400), line: "playground/ingress-sn ingress" }] : [],
        commands,
        notes: ["You may not see the values of events."],
      };
    }
    return {
      event,
      data: report.event.data,
      reports: [report],
      text: mark(literal("filtered.txt")),
      conclusion: [
        mark(
          isFiltered
            ? "It did not fire because filter time of dependency deployment did not pass: 00:00:00 is not between 07:00:00 and 19:00:00."
            : "It fired triggers ingress and log of playground/ingress-sn.",
        ),
      ],
      progress: [mark("trigger ingress: acknowledged after 12 ms, attempt 1")],
      deadLetters: isDead
        ? [{ number: 41, at: ago(400), line: mark("playground/ingress-sn ingress  rejected: 422 from the API server") }]
        : [],
      commands,
      notes: [mark("What was seen in the window of deduplication cannot be computed again.")],
    };
  }
}

/** An event without its values, and what could hold one. */
function veiled({ summary: _, ...event }) {
  return { ...event, unanswered: [], decisions: event.decisions.map((one) => ({ ...one, reason: null })) };
}

/** A letter as somebody sees it. */
function seen(letter, who) {
  return who.rights.payload ? letter : { ...letter, error: null, action: null, payload: null };
}

const MANIFEST = readFileSync(join(WEB, "../examples/auto-ingress/ingress-sn.yaml"), "utf8");

function json(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(value));
}

function page(path, response) {
  const types = { js: "text/javascript", css: "text/css" };
  if (path === "/assets/flow.css") {
    response.writeHead(200, { "Content-Type": "text/css" });
    response.end(literal("flow.css"));
    return;
  }
  if (/^\/assets\/[\w.-]+$/.test(path)) {
    try {
      const bytes = readFileSync(join(WEB, "dist", path));
      response.writeHead(200, { "Content-Type": types[path.split(".").pop()] ?? "application/octet-stream" });
      response.end(bytes);
    } catch {
      json(response, 404, { error: "There is no such file." });
    }
    return;
  }
  response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
  response.end(readFileSync(join(WEB, "dist/index.html")));
}
