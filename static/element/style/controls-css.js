/** Notices, buttons, and the bar below the stage. */
export default `
/* What is told lies over the stage: nothing moves away under a finger. */
.messages {
  z-index: 5;
  display: grid;
  place-self: start center;
  align-content: start;
  gap: 0.5rem;
  width: min(30rem, 100% - 1rem);
  max-height: calc(100% - 3.5rem);
  margin-top: 3rem;
  overflow-y: auto;
}

.messages:not(:has(> :not([hidden]))) {
  display: none;
}

.notice {
  padding: 0.875rem 1rem;
  border: 1px solid color-mix(in srgb, var(--alarm) 35%, transparent);
  border-radius: var(--radius);
  background: var(--alarm-wash);
  overflow-wrap: anywhere;
}

.notice .title {
  color: var(--alarm);
  font-weight: 600;
}

/* That a session ends is no alarm; its reason is told calmly. */
[data-state="ended"] .notice {
  border-color: var(--line);
  background: var(--surface);
}

[data-state="ended"] .notice .title {
  color: var(--ink);
}

.notice button {
  margin-top: 0.75rem;
}

.notice .request {
  margin-top: 0.25rem;
  color: var(--soft-ink);
  font: 0.75rem/1.5 ui-monospace, monospace;
}

.notice .request code {
  font: inherit;
  user-select: all;
}

.note {
  padding: 0.625rem 1rem;
  border-radius: 12px;
  background: var(--surface);
  font-size: 0.875rem;
}

/* Below the stage */

.transport {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.75rem 1rem;
  padding: 0.875rem 1rem;
  border-top: 1px solid var(--line);
}

/* A phone held sideways, or a window magnified. */
@media (max-height: 30rem) {
  .transport {
    gap: 0.25rem 0.75rem;
    padding: 0.375rem 0.75rem;
  }

  .transport button {
    min-height: 2.5rem;
    padding: 0 0.75rem;
  }
}

.state {
  display: flex;
  align-items: center;
  flex: 1 1 0;
  gap: 0.625rem;
  min-width: 5.5rem;
  font-weight: 600;
}

/* On one line, whatever it says: the buttons beside it stay where they are. A notice says it whole. */
.state [role="status"] {
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.lamp {
  flex: none;
  width: 0.625rem;
  height: 0.625rem;
  border: 2px solid var(--soft-ink);
  border-radius: 50%;
}

[data-state="connecting"] + .transport .lamp,
[data-state="live"] + .transport .lamp {
  border-color: var(--accent);
}

[data-state="live"] + .transport .lamp {
  background: var(--accent);
}

[data-state="problem"] + .transport .lamp {
  border-color: var(--alarm);
  background: var(--alarm);
}

.clock {
  color: var(--soft-ink);
  font-variant-numeric: tabular-nums;
}

.clock[data-last-minute] {
  color: var(--alarm);
  font-weight: 600;
}

.buttons {
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
  margin-inline-start: auto;
}

.transport ::slotted([slot="terms"]) {
  flex-basis: 100%;
  margin: 0;
  color: var(--soft-ink);
  font-size: 0.8125rem;
}

button {
  min-height: 2.75rem;
  padding: 0 1.125rem;
  border: 1px solid var(--line);
  border-radius: 99px;
  background: var(--surface);
  color: var(--ink);
  font: 600 0.9375rem/1 var(--sans);
  cursor: pointer;
}

button:hover:not(:disabled) {
  border-color: var(--accent);
}

button.primary {
  border-color: transparent;
  background: var(--accent);
  color: var(--on-accent);
}

button.primary:hover:not(:disabled) {
  filter: brightness(1.12);
}

button:disabled {
  border-color: var(--line);
  background: transparent;
  color: var(--soft-ink);
  opacity: 0.65;
  cursor: default;
}

button.quiet {
  min-height: 2rem;
  padding: 0 0.25rem;
  border: 0;
  background: none;
  color: var(--accent);
  font: inherit;
  text-decoration: underline;
}
`;
