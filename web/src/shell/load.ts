// What a page reads by itself, as a state.

import { useEffect, useState } from "preact/hooks";
import { type ApiError, asApiError, get, logins } from "./api.ts";

export interface Loaded<T> {
  data: T | null;
  error: ApiError | null;
  /** Reads again. */
  reload: () => void;
}

/** Reads `path`, again when it or `version` changes, or somebody logs in; what was read before stays until then. Null reads nothing. */
export function useGet<T>(path: string | null, version: unknown = 0): Loaded<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; error: ApiError | null }>({
    path,
    data: null,
    error: null,
  });
  const [round, setRound] = useState(0);
  const login = logins.value;
  useEffect(() => {
    if (path === null) {
      return;
    }
    const controller = new AbortController();
    get<T>(path, controller.signal)
      .then((data) => setState({ path, data, error: null }))
      .catch((error: unknown) => {
        if (!controller.signal.aborted) {
          setState((before) => ({ path, data: before.path === path ? before.data : null, error: asApiError(error) }));
        }
      });
    return () => controller.abort();
  }, [path, version, round, login]);
  const isOurs = state.path === path;
  return {
    data: isOurs ? state.data : null,
    error: isOurs ? state.error : null,
    reload: () => setRound((round) => round + 1),
  };
}
