// Many Sensors, for the stand-in.

/** A picture of many Sensors, drawn as the program draws it. */
export function crowdPicture(sensors) {
  const height = 120 * sensors + 200;
  const face = '<rect class="face" width="190" height="75" rx="9"/>';
  const card = (kind, id, x, y, tag, title) =>
    `<g class="card ${kind}" id="${id}" transform="translate(${x} ${y})"><title>${tag}\n${title}</title>${face}` +
    `<svg width="186" height="75"><text class="tag" x="38" y="23">${tag}</text><text class="title" x="16" y="45">${title}</text></svg></g>`;
  const wire = (d, from, to) => `<path class="wire flow" d="${d}" data-from="${from}" data-to="${to}"/>`;
  const rows = Array.from({ length: sensors }, (_, at) => {
    const y = 150 + at * 120;
    const [dependency, trigger, target] = ["dependency", "trigger", "target"].map(
      (kind) => `${kind}_crowd_sensor_${at}_call`,
    );
    return [
      wire(`M670 300C700 300 700 ${y + 37} 734 ${y + 37}`, "bus_crowd", dependency),
      wire(`M924 ${y + 37}H976`, dependency, trigger),
      wire(`M1166 ${y + 37}H1282`, trigger, target),
      card("dependency", dependency, 734, y, "DEPENDENCY", "call"),
      card("trigger", trigger, 976, y, "HTTP", "call"),
      card("target", target, 1282, y, "TARGET", "https://harbour.example"),
    ].join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="1580" height="${height}" viewBox="0 0 1580 ${height}" role="img" aria-label="Event flow">
<rect class="page" width="1580" height="${height}"/>
${card("source", "source_crowd", 28, 150, "EVENT SOURCE", "crowd-es")}${card("event", "event_crowd", 272, 150, "WEBHOOK", "call")}${card("bus", "bus_crowd", 502, 150, "JETSTREAM", "default")}
${rows.join("\n")}</svg>`;
}

export function crowdFlow(sensors) {
  const node = (id, kind, title, sensor) => ({
    id,
    kind,
    namespace: "crowd",
    bus: "default",
    tag: kind,
    title,
    detail: "",
    badges: [],
    isMissing: false,
    ...(sensor ? { sensor } : {}),
  });
  const nodes = [
    node("source_crowd", "source", "crowd-es"),
    node("event_crowd", "event", "call"),
    node("bus_crowd", "bus", "default"),
  ];
  const edges = [
    { from: "source_crowd", to: "event_crowd", label: "", kind: "flow" },
    { from: "event_crowd", to: "bus_crowd", label: "", kind: "flow" },
  ];
  const routes = [];
  for (let at = 0; at < sensors; at += 1) {
    const [dependency, trigger, target] = ["dependency", "trigger", "target"].map(
      (kind) => `${kind}_crowd_sensor_${at}_call`,
    );
    const sensor = `sensor-${at}`;
    nodes.push(
      node(dependency, "dependency", "call", sensor),
      node(trigger, "trigger", "call", sensor),
      node(target, "target", "https://harbour.example"),
    );
    edges.push(
      { from: "bus_crowd", to: dependency, label: "", kind: "flow" },
      { from: dependency, to: trigger, label: "", kind: "flow" },
      { from: trigger, to: target, label: "", kind: "flow" },
    );
    routes.push({ event: "event_crowd", dependency });
  }
  return { nodes, edges, routes };
}
