// Who is logged in, in words.

import type { Session } from "./contract.ts";

const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/** `playground/viewer` for a ServiceAccount; other names are what they are. */
export function userName(user: string): string {
  return user.replace(ACCOUNT, "$1/$2");
}

/** The command that makes a token, for who was logged in before, if it was a ServiceAccount. */
export function tokenCommand(session: Pick<Session, "user" | "namespace"> | null): string {
  const [, namespace = session?.namespace ?? "NAMESPACE", name = "NAME"] = ACCOUNT.exec(session?.user ?? "") ?? [];
  return `kubectl create token ${name} -n ${namespace}`;
}
