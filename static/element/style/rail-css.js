/** What stands below or beside the stage: panels, composer, transcript. */
export default `
.rail {
  display: grid;
  grid-template-columns: minmax(0, 1fr);
  align-content: start;
  gap: 1rem;
  min-width: 0;
}

.rail:not(:has(> :not([hidden], .panels), .panel:not([hidden]))) {
  display: none;
}

.panels {
  display: contents;
}

/* What is to be decided or waited for takes the place of general words. */
.rail:has(.panel:not([hidden])) [name="introduction"] {
  display: none;
}

.panel {
  padding: 1.125rem 1.25rem 1.25rem;
  border: 1px solid var(--line);
  border-radius: var(--radius);
  background: var(--surface);
  box-shadow: var(--shadow);
}

.panel h2 {
  font: 500 1.5rem/1.25 var(--serif);
  letter-spacing: -0.005em;
  text-wrap: balance;
}

.panel p {
  margin-top: 0.375rem;
  color: var(--soft-ink);
  text-wrap: pretty;
}

.panel time {
  font-variant-numeric: tabular-nums;
}

.panel[data-called] {
  border-color: var(--accent);
}

.panel[data-called] .patience {
  display: none;
}

.choices {
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
  margin-top: 1rem;
}

/* All words stand on a surface of the element's own: what the page is like below is not known. */
.composer,
.transcript {
  padding: 1rem;
  border: 1px solid var(--line);
  border-radius: var(--radius);
  background: var(--surface);
}

.composer {
  display: grid;
  grid-template-columns: minmax(0, 1fr);
  gap: 0.5rem;
}

.composer:focus-within {
  border-color: var(--accent);
}

.composer label {
  color: var(--soft-ink);
  font-size: 0.875rem;
  font-weight: 600;
}

.composer textarea {
  width: 100%;
  min-height: 4.5rem;
  max-height: 16rem;
  padding: 0;
  border: 0;
  background: transparent;
  color: inherit;
  font: 1.1875rem/1.45 var(--serif);
  resize: none;
  field-sizing: content;
}

.composer textarea:focus-visible {
  outline: none; /* The whole composer lights up instead. */
}

.composer:has(textarea:focus-visible) {
  outline: 2px solid var(--accent);
  outline-offset: 0;
}

.composer-head,
.composer-foot {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  justify-content: space-between;
  gap: 0.375rem 0.75rem;
}

.composer-foot > button {
  margin-inline-start: auto;
}

/* One of them has the place: how to speak what is there, that it will be said, or something to say. */
.help {
  display: grid;
  flex: 1;
  align-items: center;
  justify-items: start;
}

.help > * {
  grid-area: 1 / 1;
}

.help:has(> :nth-child(2):not(:empty), > :not([hidden], [data-away]):last-child) #hint,
.help > [data-away] {
  visibility: hidden;
}

.hint,
.count {
  color: var(--soft-ink);
  font-size: 0.8125rem;
}

#hint,
.count {
  white-space: nowrap;
}

.count {
  font-variant-numeric: tabular-nums;
}

.count[data-excess] {
  color: var(--alarm);
  font-weight: 600;
}

kbd {
  padding: 0 0.3em;
  border: 1px solid var(--line);
  border-radius: 5px;
  font: 0.75rem/1.5 var(--sans);
}

@media (hover: none) {
  #hint {
    display: none;
  }
}

.transcript h2,
.transcript-head {
  color: var(--soft-ink);
  font: 0.875rem/1.5 var(--sans);
}

.transcript h2 {
  font-weight: 600;
}

.transcript-head {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  justify-content: space-between;
  gap: 0 1rem;
}

.transcript ol {
  max-height: var(--avatar-transcript-height, 20rem);
  margin-top: 0.25rem;
  overflow-y: auto;
  list-style: none;
  overscroll-behavior: contain;
}

.transcript li {
  padding: 0.625rem 0;
  border-top: 1px solid var(--line);
}

.transcript li:first-child {
  border-top: 0;
}

.transcript .words {
  font: 1.0625rem/1.4 var(--serif);
  overflow-wrap: anywhere;
}

.transcript .fate {
  color: var(--soft-ink);
  font-size: 0.8125rem;
  font-variant-numeric: tabular-nums;
}

.transcript [data-fate="speaking"] .fate {
  color: var(--accent);
  font-weight: 600;
}

.transcript :is([data-fate="failed"], [data-fate="unclear"]) .fate {
  color: var(--alarm);
  font-weight: 600;
}

.transcript [data-fate="stopped"] .words {
  color: var(--soft-ink);
}

/* Where there is room, the words stand beside the stage. */
@container avatar (min-width: 52rem) {
  .layout:has(.rail > :not([hidden], .panels), .panel:not([hidden])) {
    grid-template-columns: minmax(0, 1.16fr) minmax(18rem, 1fr);
    gap: clamp(1.25rem, 3cqi, 2.25rem);
  }
}

@container avatar (max-width: 30rem) {
  #hint {
    display: none;
  }

  .buttons {
    width: 100%;
  }

  /* As wide as each other, unless a word needs more. */
  .buttons button,
  .buttons ::slotted(*) {
    flex: 1 0 4.25rem;
  }

  .buttons button {
    padding: 0 0.125rem;
  }

  .clock {
    margin-inline-start: auto;
  }
}
`;
