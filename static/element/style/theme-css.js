/** Slate and mint by night. */
const DARK = `
  color-scheme: dark;
  --surface: var(--avatar-surface, #181e1f);
  --ink: var(--avatar-ink, #eceee9);
  --line: var(--avatar-line, #2b3334);
  --accent: var(--avatar-accent, #8ad4c4);
  --on-accent: var(--avatar-on-accent, #0b211d);
  --alarm: #f2a08e;
  --alarm-wash: #2f1d19;
  --stage-top: #1d2728;
  --stage-bottom: #0d1212;
  --head-top: #3d5c56;
  --head-bottom: #294540;
  --body-top: #243b37;
  --body-bottom: #16221f;
  --figure-voice: #a9e2d5;
  --shadow: 0 1px 2px rgb(0 0 0 / 30%), 0 18px 40px -18px rgb(0 0 0 / 60%);
`;

/** Paper and ink by day. Whatever begins with `--avatar-` is for the page to set. */
export default `
:host {
  color-scheme: light;
  --surface: var(--avatar-surface, #fffdf8);
  --ink: var(--avatar-ink, #1b2021);
  --line: var(--avatar-line, #ddd8cc);
  --accent: var(--avatar-accent, #0f5f57);
  --on-accent: var(--avatar-on-accent, #ffffff);
  --alarm: #9c2f1f;
  --alarm-wash: #f9e9e3;
  --stage-top: #e4e6df;
  --stage-bottom: #c3cfc9;
  --head-top: #88a69d;
  --head-bottom: #5f837a;
  --body-top: #54786f;
  --body-bottom: #3b5c54;
  --figure-voice: #f4f1ea;
  --shadow: 0 1px 2px rgb(60 50 30 / 6%), 0 18px 40px -18px rgb(60 50 30 / 22%);
  --sans: var(--avatar-font, system-ui, sans-serif);
  --serif: var(--avatar-font, "Iowan Old Style", "Palatino Linotype", Palatino, Charter, "Source Serif 4", "Liberation Serif", Georgia, serif);
  --radius: var(--avatar-radius, 20px);
  --soft-ink: color-mix(in srgb, var(--ink) 72%, var(--surface));

  display: block;
  container: avatar / inline-size;
  color: var(--ink);
  font: 1rem/1.5 var(--sans);
  text-align: start;
}

@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) {${DARK}}
}

:host([theme="dark"]) {${DARK}}

:host([hidden]),
[hidden] {
  display: none !important; /* A class that sets display must not bring back what is hidden. */
}

*,
*::before,
*::after {
  box-sizing: border-box;
}

h2,
p,
ol {
  margin: 0;
  padding: 0;
}

:focus-visible {
  outline: 3px solid var(--accent);
  outline-offset: 3px;
}

.unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

.layout {
  display: grid;
  grid-template-columns: minmax(0, 1fr);
  gap: 1rem;
}
`;
