// The begin: listens, reads, and shows the page of the address.

import { effect } from "@preact/signals";
import { render } from "preact";
import type { Address } from "./core/address.ts";
import { Compare } from "./pages/compare.tsx";
import { EventPage } from "./pages/event.tsx";
import { Events } from "./pages/events.tsx";
import { FlowPage } from "./pages/flow.tsx";
import { LetterPage, Letters } from "./pages/letters.tsx";
import { ObjectPage, Objects } from "./pages/objects.tsx";
import { Try } from "./pages/try.tsx";
import { Empty } from "./parts/common.tsx";
import { Frame } from "./parts/frame.tsx";
import { Login } from "./parts/login.tsx";
import { needsLogin } from "./shell/api.ts";
import * as keys from "./shell/keys.ts";
import { start } from "./shell/login.ts";
import * as store from "./shell/store.ts";

/** A session that has ended leaves the page as it is, out of sight: what was written there is not lost. */
function App() {
  const isKept = !needsLogin.value || store.session.value !== null;
  return (
    <>
      {needsLogin.value ? <Login /> : null}
      {isKept ? (
        <div key={store.person.value} hidden={needsLogin.value}>
          <Frame>
            <Shown address={store.address.value} />
          </Frame>
        </div>
      ) : null}
    </>
  );
}

function Shown({ address }: { address: Address }) {
  switch (address.page) {
    case "flow":
      return <FlowPage focus={address.focus} />;
    case "events":
      return <Events />;
    case "event":
      return <EventPage key={address.number} number={address.number} />;
    case "objects":
      return <Objects />;
    case "object": {
      const { kind, namespace, name } = address;
      return <ObjectPage key={`${kind}/${namespace}/${name}`} kind={kind} namespace={namespace} name={name} />;
    }
    case "letters":
      return <Letters />;
    case "letter":
      return <LetterPage key={address.number} number={address.number} />;
    case "try":
      return <Try />;
    case "compare":
      return <Compare />;
    case "unknown":
      return <Empty>There is no page at {address.path}.</Empty>;
  }
}

/** Links of ours are followed without loading the page anew. */
function followLinks(): void {
  document.addEventListener("click", (event) => {
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    const link = event.composedPath().find((part) => part instanceof HTMLAnchorElement);
    if (!isPlain || event.defaultPrevented || !(link instanceof HTMLAnchorElement)) {
      return;
    }
    const isOurs = link.origin === location.origin && !link.target && link.dataset.plain === undefined;
    if (isOurs) {
      event.preventDefault();
      store.visit(link.pathname + link.search);
    }
  });
}

const TITLES: Record<Address["page"], string> = {
  flow: "Flow",
  events: "Events",
  event: "Event",
  objects: "Objects",
  object: "Object",
  letters: "Dead letters",
  letter: "Dead letter",
  try: "Try it",
  compare: "Compare",
  unknown: "No page",
};

effect(() => {
  const address = store.address.value;
  const what = "number" in address ? ` ${address.number}` : "name" in address ? ` ${address.name}` : "";
  document.title = `${needsLogin.value ? "Log in" : TITLES[address.page] + what} · tiphys`;
});

setInterval(() => {
  store.now.value = Date.now();
}, 1000);

keys.listen();
followLinks();
void store.readSession();
start();
const root = document.getElementById("root");
if (root) {
  render(<App />, root);
}
