/** A sample: its value under labels that set it apart from the family's others. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples of one meaning. */
export interface MetricFamily {
  /** Ends with `_` and the unit, where there is one; of a counter without its `_total`. */
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly unit?: string | undefined;
  readonly help: string;
  readonly samples: readonly MetricSample[];
}

/** The formats that metrics are read in: OpenMetrics, and what Prometheus had before. */
export type MetricsFormat = "openmetrics" | "prometheus";

/** What HTTP calls the formats. @source OpenMetrics 1.0, "Protocol Negotiation" */
export const METRICS_CONTENT_TYPE: Readonly<Record<MetricsFormat, string>> = {
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
};

/**
 * Writes families, those without samples left out. In Prometheus' older format a counter's name has
 * its `_total` in its description too, units are not told, and the end is not marked.
 *
 * @source OpenMetrics 1.0, "Text format"; Prometheus, "Exposition formats"
 */
export function encodeMetrics(families: readonly MetricFamily[], format: MetricsFormat): string {
  const told = families.filter(({ samples }) => samples.length > 0);
  const end = format === "openmetrics" ? ["# EOF"] : [];
  const lines = [...told.flatMap((family) => encodeFamily(family, format)), ...end];
  return lines.map((line) => `${line}\n`).join("");
}

function encodeFamily(family: MetricFamily, format: MetricsFormat): readonly string[] {
  const { name, type, unit, help, samples } = family;
  const sampleName = type === "counter" ? `${name}_total` : name;
  const described = format === "openmetrics" ? name : sampleName;
  const hasUnit = unit !== undefined && format === "openmetrics";
  return [
    `# HELP ${described} ${format === "openmetrics" ? escaped(help) : escapedLines(help)}`,
    `# TYPE ${described} ${type}`,
    ...(hasUnit ? [`# UNIT ${described} ${unit}`] : []),
    ...samples.map(({ labels, value }) => `${sampleName}${encodeLabels(labels)} ${value}`),
  ];
}

function encodeLabels(labels: MetricSample["labels"]): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escaped(text: string): string {
  return escapedLines(text).replaceAll('"', '\\"');
}

function escapedLines(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
