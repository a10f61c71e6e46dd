// Light and dark: as the system says, or as the reader has chosen.

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "tiphys-theme";
const query = window.matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<Theme>(stored());
const systemIsDark = signal(query.matches);

query.addEventListener("change", () => {
  systemIsDark.value = query.matches;
});

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

/** True if it is dark now. */
export function isDark(): boolean {
  return theme.value === "system" ? systemIsDark.value : theme.value === "dark";
}

/** The next of the three. */
export function turn(): void {
  const next: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
  theme.value = next[theme.value];
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Without a store the choice lasts as long as the tab.
  }
});
