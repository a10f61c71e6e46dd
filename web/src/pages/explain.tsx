// The event once more, decided by an edited Sensor.

import { useEffect, useState } from "preact/hooks";
import type { EventDetail, ObjectDetail } from "../core/contract.ts";
import { Failure, Section } from "../parts/common.tsx";
import { Editor } from "../parts/editor.tsx";
import { type ApiError, asApiError, get, post } from "../shell/api.ts";

export function Explain({ event, onAnswer }: { event: EventDetail; onAnswer: (answer: EventDetail) => void }) {
  const sensors = sensorsOf(event);
  const [chosen, setChosen] = useState(sensors[0] ?? "");
  const [text, setText] = useState("");
  const [error, setError] = useState<ApiError | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    const [namespace = "", name = ""] = chosen.split("/");
    const controller = new AbortController();
    if (name) {
      const search = new URLSearchParams({ kind: "Sensor", namespace, name });
      get<ObjectDetail>(`/api/object?${search}`, controller.signal)
        .then((object) => setText(object.manifest))
        .catch((failure: unknown) => controller.signal.aborted || setError(asApiError(failure)));
    }
    return () => controller.abort();
  }, [chosen]);
  const explain = async () => {
    setBusy(true);
    try {
      onAnswer(await post<EventDetail>("/api/event/explain", { number: event.event.number, manifests: text }));
      setError(null);
    } catch (failure) {
      setError(asApiError(failure));
    }
    setBusy(false);
  };
  return (
    <Section title="Explain with an edited Sensor">
      <p class="mute">What you write here decides about the event on this page alone. Nothing is changed anywhere.</p>
      {sensors.length > 1 ? (
        <select aria-label="Sensor" value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
          {sensors.map((sensor) => (
            <option key={sensor}>{sensor}</option>
          ))}
        </select>
      ) : null}
      <Editor label="Manifest of the edited Sensor" value={text} onInput={setText} />
      <Failure error={error} />
      <div class="buttons">
        <button type="button" class="primary" disabled={isBusy || text.trim() === ""} onClick={explain}>
          Explain
        </button>
      </div>
    </Section>
  );
}

/** The Sensors that have to do with the event, as `namespace/name`. */
function sensorsOf({ event, reports }: EventDetail): string[] {
  const decided = event.decisions.map((decision) => `${decision.namespace}/${decision.sensor}`);
  const followed = reports.flatMap((report) => report.sensors.map((sensor) => `${sensor.namespace}/${sensor.sensor}`));
  return [...new Set([...decided, ...followed])];
}
