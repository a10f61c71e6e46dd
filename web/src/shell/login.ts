// Logging in and out, where the console wants to know who comes.

import { batch, effect, signal } from "@preact/signals";
import type { Answer, Session } from "../core/contract.ts";
import { type ApiError, asApiError, logins, needsLogin, post } from "./api.ts";
import * as store from "./store.ts";
import { close, open } from "./stream.ts";

/** Why one could not log out. */
export const leaveError = signal<ApiError | null>(null);

/** Reads what every page needs, and opens the stream. */
export function start(): void {
  open();
  void store.readObjects();
  void store.readEvents();
}

/**
 * Shows a token of the cluster, which is kept nowhere here.
 *
 * # Errors
 *
 * An `ApiError` if the token is not known, or nobody can be asked.
 */
export async function logIn(token: string): Promise<void> {
  const session = await post<Session>("/api/login", { token });
  batch(() => {
    if (session.user !== store.session.value?.user) {
      store.forget();
    }
    store.session.value = session;
    store.sessionError.value = null;
    logins.value += 1;
    needsLogin.value = false;
  });
  start();
}

/** Ends the session, and forgets what was read in it. */
export async function logOut(): Promise<void> {
  try {
    await post<Answer>("/api/logout", {});
  } catch (error) {
    // A session that has ended already is what was wanted.
    if (!needsLogin.peek()) {
      leaveError.value = asApiError(error);
      return;
    }
  }
  batch(() => {
    leaveError.value = null;
    store.forget();
    logins.value += 1;
    needsLogin.value = true;
  });
}

// What one may see no more is not listened to.
effect(() => {
  if (needsLogin.value) {
    close();
    store.stream.value = "opening";
    store.streamError.value = null;
  }
});
