import { element } from "./dom.ts";

/** A table of texts; the first column names the rows. */
export interface TableContent {
  readonly caption: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A table that can be scrolled sideways by keyboard too. */
export function dataTable({ caption, head, rows }: TableContent): HTMLElement {
  const table = element(
    "table",
    {},
    element("caption", {}, caption),
    element(
      "thead",
      {},
      element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text))),
    ),
    element("tbody", {}, ...rows.map(tableRow)),
  );
  const attributes = { class: "table-room", tabindex: 0, role: "region", "aria-label": caption };
  return element("div", attributes, table);
}

/** The numbers behind a chart, shown on demand. */
export function tableBehind(content: TableContent): HTMLElement {
  return element(
    "details",
    { class: "behind" },
    element("summary", {}, `Table: ${content.caption}`),
    dataTable(content),
  );
}

function tableRow([name = "", ...values]: readonly string[]): HTMLElement {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    ...values.map((value) => element("td", {}, value)),
  );
}
