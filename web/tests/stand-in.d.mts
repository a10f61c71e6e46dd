export interface Options {
  port?: number;
  viewer?: boolean;
  naughty?: boolean;
  sensors?: number;
  rate?: number;
  /** In a cluster, where one logs in: `token-of-ada`, `token-of-viewer`, `token-of-nobody`. */
  cluster?: boolean;
}

export interface World {
  isDown: boolean;
  acts: Record<string, unknown>[];
  events: { id: string; number: number }[];
  streams: Set<unknown>;
  sessions: Map<string, unknown>;
  publish(count?: number): void;
  send(name: string, data: unknown, id?: number): void;
  breakStreams(): void;
  endSessions(): void;
  /** So often a stream was asked for by who may not look. */
  refused: number;
}

export function startStandIn(options?: Options): Promise<{ address: string; world: World; close(): Promise<void> }>;
