import { type Child, element } from "./dom.ts";

/** A part of the page with its heading; the page's table of contents leads to it. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: readonly Child[];
}

/** The section as an element. */
export function sectionElement({ id, title, content }: Section): HTMLElement {
  const heading = element("h2", { id: `${id}-title` }, title);
  return element("section", { id, "aria-labelledby": `${id}-title` }, heading, ...content);
}

/** Links to sections. */
export function contents(sections: readonly Section[]): HTMLElement {
  return element(
    "nav",
    { "aria-label": "Contents" },
    element(
      "ul",
      {},
      ...sections.map(({ id, title }) =>
        element("li", {}, element("a", { href: `#${id}` }, title)),
      ),
    ),
  );
}

/** A list to choose from, with its name. */
export function choice(
  name: string,
  options: readonly (readonly [value: string, text: string])[],
  onChoose: (value: string) => void,
): { readonly label: HTMLElement; readonly select: HTMLSelectElement } {
  const select = element(
    "select",
    {},
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
  select.addEventListener("change", () => onChoose(select.value));
  return { label: element("label", {}, name, " ", select), select };
}
