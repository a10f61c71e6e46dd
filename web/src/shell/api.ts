// Calls of `/api`.

import { signal } from "@preact/signals";

/** True while the console wants a login before it answers. */
export const needsLogin = signal(false);
/** Counts logins and logouts: an answer to an earlier question is for somebody else, perhaps. */
export const logins = signal(0);

/** Why a call did not succeed, in words for people. */
export class ApiError extends Error {
  readonly hint: string | undefined;
  readonly status: number;
  /** True if a login is all that is missing: the form for it is shown, and nothing else. */
  readonly wantsLogin: boolean;

  constructor(message: string, hint: string | undefined, status: number, wantsLogin = false) {
    super(message);
    this.name = "ApiError";
    this.hint = hint;
    this.status = status;
    this.wantsLogin = wantsLogin;
  }
}

/** Reads JSON. Aborting `signal` rejects with an `AbortError`. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await sent(path, { signal: signal ?? null });
  return (await response.json()) as T;
}

/** Reads a text, for example a picture. */
export async function getText(path: string, signal?: AbortSignal): Promise<string> {
  return (await sent(path, { signal: signal ?? null })).text();
}

/** Resolves if `path` would answer, without reading it: for what never ends. */
export async function probe(path: string): Promise<void> {
  const controller = new AbortController();
  await sent(path, { signal: controller.signal });
  controller.abort();
}

/** Asks for an act, and reads the answer. */
export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await sent(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
  return (await response.json()) as T;
}

async function sent(path: string, init: RequestInit): Promise<Response> {
  const login = logins.peek();
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (isAbort(error)) {
      throw error;
    }
    throw new ApiError("The console does not answer.", "Is `tiphys console` still running?", 0);
  }
  if (!response.ok) {
    throw await refused(response, login);
  }
  if (login !== logins.peek()) {
    throw new ApiError("This was asked before the last login.", undefined, 0, true);
  }
  return response;
}

/** What a refusal says; one that wants a login, and was not asked before the last one, is noted. */
async function refused(response: Response, asked: number): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error, hint, login } = JSON.parse(text) as { error?: string; hint?: string; login?: boolean };
    const wantsLogin = response.status === 401 && login === true;
    if (wantsLogin && asked === logins.peek()) {
      needsLogin.value = true;
    }
    if (error) {
      return new ApiError(error, hint, response.status, wantsLogin);
    }
  } catch {
    // Not the console's own answer: its text is all there is.
  }
  return new ApiError(text.slice(0, 300) || `The console answered ${response.status}.`, undefined, response.status);
}

/** True if a call was given up on purpose. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Any failure as one with words. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(String(error), undefined, 0);
}
