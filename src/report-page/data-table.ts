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

/** A table that is made when somebody wants to see it: the numbers behind a chart. */
export function tableBehind(
  caption: string,
  content: () => Omit<TableContent, "caption">,
): HTMLElement {
  const details = element(
    "details",
    { class: "behind" },
    element("summary", {}, `Table: ${caption}`),
  );
  details.addEventListener("toggle", () => details.append(dataTable({ caption, ...content() })), {
    once: true,
  });
  return details;
}

function tableRow([name = "", ...values]: readonly string[]): HTMLElement {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    ...values.map((value) => element("td", {}, value)),
  );
}
