// The form for a token of the cluster.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { tokenCommand } from "../core/user.ts";
import { type ApiError, asApiError } from "../shell/api.ts";
import { logIn } from "../shell/login.ts";
import { session } from "../shell/store.ts";
import { Command } from "./common.tsx";
import { Mark } from "./frame.tsx";

export function Login() {
  const field = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [command] = useState(() => tokenCommand(session.value));
  const [hasEnded] = useState(session.value !== null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    // An open dialog would keep the focus; what it asked about has to be asked again.
    for (const dialog of document.querySelectorAll<HTMLDialogElement>("dialog[open]")) {
      dialog.close();
    }
    field.current?.focus();
    return () => returnTo(before);
  }, []);
  const send = async () => {
    const token = field.current?.value.trim() ?? "";
    if (isBusy || token === "") {
      field.current?.focus();
      return;
    }
    setBusy(true);
    const failure = await logIn(token).catch(asApiError);
    if (failure && field.current) {
      field.current.value = "";
      field.current.focus();
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <p class="brand">
          <Mark /> tiphys
        </p>
        <h1>Log in</h1>
        {hasEnded ? <p role="status">Your session has ended. The page is still as it was.</p> : null}
        <label for="token">Token of the cluster</label>
        <input
          ref={field}
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          aria-describedby={error ? "token-error token-help" : "token-help"}
          aria-invalid={error !== null}
          onInput={() => setError(null)}
        />
        {error ? (
          <div id="token-error" class="bad-text" role="alert">
            <p>
              <span aria-hidden="true">✗ </span>
              {error.message}
            </p>
            {error.hint ? <p>{error.hint}</p> : null}
          </div>
        ) : null}
        <button type="submit" class="primary" aria-disabled={isBusy}>
          {isBusy ? "Logging in …" : "Log in"}
        </button>
        <div id="token-help" class="mute">
          One that the cluster knows, for example of a ServiceAccount:
        </div>
        <Command text={command} what="the command" />
      </form>
    </main>
  );
}

/** Gives the focus back to what had it, if that is still there. */
function returnTo(before: Element | null): void {
  requestAnimationFrame(() => {
    const isThere = before instanceof HTMLElement && before !== document.body && before.isConnected;
    const target = isThere ? before : document.getElementById("main");
    target?.focus({ preventScroll: true });
  });
}
