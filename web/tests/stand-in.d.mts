export interface Options {
  port?: number;
  viewer?: boolean;
  naughty?: boolean;
  sensors?: number;
  rate?: number;
}

export interface World {
  isDown: boolean;
  acts: Record<string, unknown>[];
  streams: Set<unknown>;
  publish(count?: number): void;
  send(name: string, data: unknown, id?: number): void;
  breakStreams(): void;
}

export function startStandIn(options?: Options): Promise<{ address: string; world: World; close(): Promise<void> }>;
