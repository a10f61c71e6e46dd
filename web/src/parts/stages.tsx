// What became of an event, stage by stage, as the engine says it.

import type { ComponentChildren } from "preact";
import { format } from "../core/address.ts";
import type {
  Check,
  DependencyReport,
  FilterStep,
  Firing,
  Json,
  ParameterStep,
  Report,
  SensorReport,
  TriggerReport,
} from "../core/contract.ts";
import { diff, type Edit } from "../core/diff.ts";
import { outcomeWord } from "../core/words.ts";
import { action, brief, toYaml } from "../core/yaml.ts";
import { kept } from "../shell/store.ts";
import { Chip, Code, OutcomeChip, Section } from "./common.tsx";

export function Stages({ report, isHere = true }: { report: Report; isHere?: boolean }) {
  const before = report.event?.data ?? null;
  return (
    <>
      {report.eventSourceFilters.length > 0 || report.noEvent ? (
        <Section title={`Event source ${report.eventSource ?? ""}`}>
          <Checks checks={report.eventSourceFilters} />
          {report.noEvent ? <p class="bad-text">No event came of it: {report.noEvent}</p> : null}
        </Section>
      ) : null}
      {report.sensors.map((sensor) => (
        <SensorStages key={`${sensor.namespace}/${sensor.sensor}`} report={sensor} before={before} isHere={isHere} />
      ))}
      {report.notWaiting.length > 0 ? (
        <Section title="Sensors that do not wait for it">
          <ul class="steps">
            {report.notWaiting.map(({ sensor, reason }) => (
              <li key={sensor}>
                <b>{sensor}</b> <span class="mute">{reason}</span>
              </li>
            ))}
          </ul>
        </Section>
      ) : null}
    </>
  );
}

function SensorStages({ report, before, isHere }: { report: SensorReport; before: Json; isHere: boolean }) {
  const { namespace, sensor } = report;
  const faults = texts(report.faults);
  return (
    <Section
      title={`Sensor ${namespace}/${sensor}`}
      class="sensor-stages"
      aside={
        isHere ? (
          <a class="mute" href={format({ page: "object", kind: "Sensor", namespace, name: sensor }, kept())}>
            open
          </a>
        ) : null
      }
    >
      {faults.map((fault, at) => (
        <p key={at} class="bad-text">
          {fault}
        </p>
      ))}
      {report.dependencies.map((dependency) => (
        <Dependency key={dependency.dependency} report={dependency} before={before} />
      ))}
      {report.triggers.map((trigger) => (
        <Trigger key={trigger.trigger} report={trigger} />
      ))}
    </Section>
  );
}

function Step({
  kind,
  name,
  children,
  chip,
}: {
  kind: string;
  name: string;
  chip?: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <div class={`stage ${kind}`}>
      <h3>
        <span class="kind">{kind}</span> {name} {chip}
      </h3>
      {children}
    </div>
  );
}

function Dependency({ report, before }: { report: DependencyReport; before: Json }) {
  const { transform, filters, taken } = report;
  const chip = taken ? <Chip tone="ok">taken</Chip> : <Chip tone="filtered">not taken</Chip>;
  return (
    <Step kind="dependency" name={report.dependency} chip={chip}>
      {transform && "data" in transform ? <Transform edits={diff(before, transform.data)} /> : null}
      {transform && "error" in transform ? (
        <Line passed={false} text="transform">
          {transform.error}
        </Line>
      ) : null}
      <ul class="steps">
        {filters.map((filter, at) => (
          <FilterLine key={at} step={filter} />
        ))}
      </ul>
      {filters.length === 0 && !transform ? <p class="mute">no filter, no transform</p> : null}
    </Step>
  );
}

function Transform({ edits }: { edits: Edit[] }) {
  return (
    <div class="diff">
      <p class="mute">transform{edits.length === 0 ? " changes nothing" : ""}</p>
      {edits.map(({ path, kind, before, after }) => (
        <div key={path}>
          {kind === "added" ? null : <Edited sign="−" name="removed" path={path} value={before} />}
          {kind === "removed" ? null : <Edited sign="+" name="added" path={path} value={after} />}
        </div>
      ))}
    </div>
  );
}

function Edited({ sign, name, path, value }: { sign: string; name: string; path: string; value: Json | undefined }) {
  const text = toYaml(value ?? null);
  const isLong = text.includes("\n");
  return (
    <pre class={name}>
      <span aria-hidden="true">{sign} </span>
      <span class="hidden">{name} </span>
      {path || "all"}:{isLong ? `\n${text.replaceAll(/^/gm, "    ")}` : ` ${text}`}
    </pre>
  );
}

function Saw({ value }: { value: string }) {
  return value ? (
    <span class="saw">
      {" "}
      saw <code>{value}</code>
    </span>
  ) : null;
}

function FilterLine({ step }: { step: FilterStep }) {
  const { filter, asks, saw, passed, place, reason, error } = step;
  return (
    <Line passed={passed} text={filter} place={place}>
      {asks ? <code>{asks}</code> : null}
      <Saw value={saw} />
      {reason ? <span class="wanted">{reason}</span> : null}
      {error ? <span class="wanted">{error}</span> : null}
    </Line>
  );
}

function Checks({ checks }: { checks: Check[] }) {
  return (
    <ul class="steps">
      {checks.map(({ filter, passed, saw }) => (
        <Line key={filter} passed={passed} text="">
          {filter}
          <Saw value={saw} />
        </Line>
      ))}
    </ul>
  );
}

function Line(props: {
  passed: boolean;
  text: string;
  place?: string | null | undefined;
  children?: ComponentChildren;
}) {
  return (
    <li class={props.passed ? "passed" : "failed"}>
      <span class="sign" aria-hidden="true">
        {props.passed ? "✓" : "✗"}
      </span>
      <span class="hidden">{props.passed ? "passed" : "not passed"}</span>
      <span class="what">
        {props.text ? <b>{props.text}</b> : null} {props.children}
      </span>
      {props.place ? <code class="where">{props.place}</code> : null}
    </li>
  );
}

function Trigger({ report }: { report: TriggerReport }) {
  const { trigger, type, outcome, conditions, waiting = [], firings = [] } = report;
  return (
    <Step kind="trigger" name={trigger} chip={<OutcomeChip outcome={outcomeWord(outcome)} />}>
      <p class="mute">
        {type}
        {conditions && conditions !== trigger ? ` · when ${conditions}` : ""}
        {waiting.length > 0 ? ` · has ${waiting.join(", ")}` : ""}
      </p>
      {texts(report.faults ?? null).map((fault, at) => (
        <p key={at} class="bad-text">
          {fault}
        </p>
      ))}
      {firings.map((firing, at) => (
        <FiringView key={at} firing={firing} />
      ))}
    </Step>
  );
}

function FiringView({ firing }: { firing: Firing }) {
  const view = firing.action === undefined ? null : action(firing.action);
  return (
    <>
      <ul class="steps">
        {firing.parameters.map((step, at) => (
          <Parameter key={at} step={step} />
        ))}
      </ul>
      {firing.error ? (
        <ul class="steps">
          <Line passed={false} text="action" place={firing.place}>
            {firing.error}
          </Line>
        </ul>
      ) : null}
      {view ? (
        <div class="action">
          <p>
            <span aria-hidden="true">→ </span>
            {view.title}
          </p>
          <Code text={view.yaml} label={`The action: ${view.title}`} />
        </div>
      ) : null}
    </>
  );
}

function Parameter({ step }: { step: ParameterStep }) {
  const { parameter, dest, value, skipped, matched, why } = step;
  return (
    <Line passed={matched !== false} text="" place={parameter}>
      <code>{dest}</code>
      {matched === false ? " finds nothing" : ""}
      {skipped ? " is left as it is" : ""}
      {value === undefined ? null : (
        <>
          {" ← "}
          <code>{brief(value, 200)}</code>
        </>
      )}
      {step.default ? <span class="wanted">the default{why ? `: ${why}` : ""}</span> : null}
    </Line>
  );
}

/** Faults, however they are written, as texts. */
export function texts(value: Json): string[] {
  if (value === null) {
    return [];
  }
  const parts = Array.isArray(value) ? value : [value];
  return parts.map((part) => (typeof part === "string" ? part : brief(part, 400)));
}
