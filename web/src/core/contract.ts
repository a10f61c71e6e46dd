// What server and pages agree on: the JSON of `/api`.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Right = "payload" | "replay" | "drop" | "pause" | "send";

export interface Session {
  version: string;
  mode: "desk" | "run" | "cluster";
  /** Where the bus is, in words. */
  place: string;
  namespace: string | null;
  bus: string | null;
  user: string | null;
  rights: Record<Right, boolean>;
  /** Why a right is missing. */
  reasons: Partial<Record<Right, string>>;
}

export type Kind = "EventSource" | "EventBus" | "Sensor";

export interface ObjectRow {
  kind: Kind;
  namespace: string;
  name: string;
  /** Null if nobody has said. */
  ready: boolean | null;
  reason: string | null;
  message: string | null;
  paused: boolean;
  faults: string[];
  triggers: string[];
  events: string[];
}

export interface Condition {
  type: string;
  status: string;
  reason: string | null;
  message: string | null;
  since: string | null;
}

/** The books of one trigger. */
export interface RateRow {
  namespace: string | null;
  sensor: string | null;
  trigger: string | null;
  consumer: string;
  /** Deliveries per second. */
  rate: number;
  lag: number;
  inHand: number;
  repeated: number;
  deadLetters: number;
  /** Milliseconds. */
  p95: number | null;
}

export interface EventRate {
  source: string;
  name: string;
  rate: number;
  count: number;
}

export interface Rates {
  published: number;
  stored: number;
  rows: RateRow[];
  events: EventRate[];
}

export interface ObjectDetail extends ObjectRow {
  manifest: string;
  conditions: Condition[];
  consumers: RateRow[];
  lines: string[];
}

/** As the engine names them; more may come. */
export type Outcome = "fired" | "waiting" | "filtered" | "deduplicated" | "dead_lettered" | "in_flight";

export interface Decision {
  namespace: string;
  sensor: string;
  trigger: string;
  outcome: Outcome;
  /** Null without the right `payload`. */
  reason: string | null;
}

export interface BusEvent {
  number: number;
  storedAt: string;
  id: string;
  source: string;
  name: string;
  type: string;
  subject: string;
  /** Why it cannot be read, if so. */
  unreadable: string | null;
  /** Number of the dead letter that it replays. */
  replay: number | null;
  /** Of the payload; absent without the right. */
  summary?: string;
  decisions: Decision[];
  /** Sensors whose decision is not known. */
  unanswered: string[];
}

export interface EventPage {
  events: BusEvent[];
  first: number | null;
  last: number | null;
  /** Where the next page goes on: before this number; null if there is none. */
  next: number | null;
}

export interface Check {
  filter: string;
  passed: boolean;
  saw: string;
}

export interface FilterStep extends Check {
  asks: string;
  place?: string | null;
  reason?: string;
  error?: string;
}

export interface DependencyReport {
  dependency: string;
  transform: { data: Json } | { error: string } | null;
  filters: FilterStep[];
  taken: boolean;
}

export interface ParameterStep {
  parameter: string;
  dest: string;
  value?: string;
  default?: boolean;
  why?: string | null;
  skipped?: boolean;
  matched?: boolean;
}

export interface Firing {
  parameters: ParameterStep[];
  action?: Json;
  error?: string;
  place?: string | null;
}

export interface TriggerReport {
  trigger: string;
  type: string;
  outcome: string;
  conditions?: string;
  waiting?: string[];
  firings?: Firing[];
  faults?: Json;
}

export interface SensorReport {
  namespace: string;
  sensor: string;
  faults: Json;
  dependencies: DependencyReport[];
  triggers: TriggerReport[];
}

export interface Report {
  object: Json;
  eventSource: string | null;
  eventSourceFilters: Check[];
  event: { context: { [key: string]: Json }; data: Json } | null;
  noEvent: string | null;
  sensors: SensorReport[];
  notWaiting: { sensor: string; reason: string }[];
}

export interface EventDetail {
  event: BusEvent;
  /** Null without the right, or if there is none. */
  data: Json;
  reports: Report[];
  text: string;
  conclusion: string[];
  progress: string[];
  deadLetters: { number: number; at: string; line: string }[];
  commands: { why?: string; simulate?: string };
  notes: string[];
}

export interface LetterGroup {
  count: number;
  namespace: string;
  sensor: string;
  trigger: string;
  reason: string;
  /** Null without the right `payload`, as it may hold values; the group is then all of one reason. */
  error: string | null;
  first: string;
  last: string;
  attempts: number;
  /** Number of the last letter. */
  example: number;
}

export interface Letter {
  number: number;
  namespace: string;
  sensor: string;
  trigger: string;
  reason: string;
  /** Null without the right, as action and payload are. */
  error: string | null;
  attempts: number;
  deadLetteredAt: string;
  subject: string;
  storedAt: string | null;
  dependencies: Json;
  mayBeDone: Json;
  cutFrom: Json;
  event: { id: string; source: string; subject: string; type: string; time: string | null } | null;
  action: Json;
  payload: Json;
  text?: string;
}

export interface Answer {
  done: string[];
  refused: string[];
  /** The newest dead letter that is meant, of a dry run: the act means none that came later. */
  to?: number;
}

export interface Fault {
  line: number | null;
  path: string | null;
  message: string;
  hint: string | null;
  severity: string;
}

export interface TryAnswer {
  text: string;
  reports: Report[];
  faults: Fault[];
}

export interface Difference {
  action?: Json;
  verdict: "different" | "missing" | "unexpected";
  path: string;
  expected?: Json;
  actual?: Json;
}

export interface Change {
  by: string;
  change: string;
  count: number;
  event: string;
  action: string;
  instead: string | null;
  differences: Difference[];
}

export interface CompareAnswer {
  events: number;
  changed: number;
  text: string;
  changes: Change[];
}

export type NodeKind = "source" | "event" | "bus" | "dependency" | "condition" | "trigger" | "target";

export interface FlowNode {
  id: string;
  kind: NodeKind;
  namespace: string;
  bus: string;
  sensor?: string;
  tag: string;
  title: string;
  detail: string;
  badges: string[];
  isMissing: boolean;
  faults?: string[];
}

export interface Flow {
  nodes: FlowNode[];
  edges: { from: string; to: string; label: string; kind: string }[];
  routes?: { event: string; dependency: string }[];
}

export interface Skipped {
  count: number;
  from: number;
  to: number;
}

export interface BusState {
  ok: boolean;
  message: string | null;
}
