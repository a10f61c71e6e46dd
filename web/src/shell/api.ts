// Calls of `/api`.

/** Why a call did not succeed, in words for people. */
export class ApiError extends Error {
  readonly hint: string | undefined;
  readonly status: number;

  constructor(message: string, hint: string | undefined, status: number) {
    super(message);
    this.name = "ApiError";
    this.hint = hint;
    this.status = status;
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
    throw await refused(response);
  }
  return response;
}

async function refused(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error, hint } = JSON.parse(text) as { error?: string; hint?: string };
    if (error) {
      return new ApiError(error, hint, response.status);
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
