/** What the next session is chosen with. Native radio buttons say in any colours which one is chosen. */
export default `
.picker {
  display: grid;
  grid-template-columns: minmax(0, 1fr);
  gap: 0.875rem;
  padding: 1rem;
  border: 1px solid var(--line);
  border-radius: var(--radius);
  background: var(--surface);
}

.rail:has(.panel:not([hidden])) .picker {
  display: none;
}

.picker-title {
  display: block;
  margin-bottom: 0.375rem;
  color: var(--soft-ink);
  font-size: 0.875rem;
  font-weight: 600;
}

.portraits {
  display: grid;
  grid-template-columns: repeat(auto-fill, minmax(5rem, 1fr));
  gap: 0.5rem;
  max-height: 20rem;
  margin: 0 -4px;
  padding: 4px; /* Room for the outline of what has the focus. */
  overflow-y: auto;
}

.portraits label {
  display: grid;
  grid-template-columns: auto minmax(0, 1fr);
  align-content: center;
  align-items: center;
  gap: 0.375rem;
  min-height: 2.75rem;
  padding: 0.375rem;
  border: 2px solid var(--line);
  border-radius: 12px;
  font-size: 0.875rem;
  line-height: 1.3;
  overflow-wrap: anywhere;
  cursor: pointer;
}

.portraits label:hover,
.portraits label:has(:checked) {
  border-color: var(--accent);
}

.portraits label:has(:focus-visible) {
  outline: 3px solid var(--accent);
  outline-offset: 1px;
}

.portraits input {
  margin: 0;
  accent-color: var(--accent);
}

.portraits input:focus-visible {
  outline: none; /* The whole tile is outlined instead. */
}

.portraits span {
  justify-self: start; /* Beside its button, also a Latin name in a page that runs from right to left. */
}

.portraits img {
  grid-column: 1 / -1;
  width: 100%;
  aspect-ratio: 1;
  border-radius: 8px;
  object-fit: cover;
}

.picker select {
  width: 100%;
  min-height: 2.75rem;
  padding: 0 0.75rem;
  border: 1px solid var(--line);
  border-radius: 12px;
  background: var(--surface);
  color: var(--ink);
  font: inherit;
}
`;
