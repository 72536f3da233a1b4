import { element } from "./dom.ts";

type Theme = "light" | "dark";

/** Tells charts that are drawn, not styled, to draw themselves in other colours. */
export class ThemeWatch {
  readonly #listeners = new Set<() => void>();
  #chosen: Theme | undefined;

  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#apply());
    matchMedia("print").addEventListener("change", () => this.#apply());
    this.#apply();
  }

  /** Has `draw` called whenever colours have changed, as long as `owner` is in the document. */
  watch(owner: Node, draw: () => void): void {
    const listener = () => {
      if (owner.isConnected) {
        draw();
      } else {
        this.#listeners.delete(listener);
      }
    };
    this.#listeners.add(listener);
  }

  /** The button that turns light into dark and back. */
  button(): HTMLElement {
    const button = element("button", { type: "button", class: "theme" });
    const say = () => {
      const isDark = this.#current() === "dark";
      button.textContent = isDark ? "Light mode" : "Dark mode";
    };
    button.addEventListener("click", () => {
      this.#chosen = this.#current() === "dark" ? "light" : "dark";
      this.#apply();
    });
    this.#listeners.add(say);
    say();
    return button;
  }

  /** Paper is light, whatever was chosen for the screen. */
  #current(): Theme {
    if (matchMedia("print").matches) {
      return "light";
    }
    const isWished = matchMedia("(prefers-color-scheme: dark)").matches;
    return this.#chosen ?? (isWished ? "dark" : "light");
  }

  #apply(): void {
    document.documentElement.dataset.theme = this.#current();
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }
}
