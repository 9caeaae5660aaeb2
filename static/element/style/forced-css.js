/** Where the visitor has chosen colours, what only a colour says is said by a border or a fill. */
export default `
@media (forced-colors: active) {
  .lamp,
  button.primary,
  .viewing button[aria-pressed="true"] {
    forced-color-adjust: none;
  }

  .lamp {
    border-color: CanvasText;
    background: Canvas;
  }

  [data-state="live"] + .transport .lamp,
  [data-state="problem"] + .transport .lamp {
    border-color: Highlight;
    background: Highlight;
  }

  button.primary:not(:disabled),
  .viewing button[aria-pressed="true"] {
    background: Highlight;
    color: HighlightText;
  }

  button.primary:disabled {
    color: GrayText;
  }

  .chip,
  .caption,
  .viewing button {
    border: 1px solid CanvasText;
    background: Canvas;
  }

  button:disabled {
    opacity: 1;
  }

  .head,
  .body {
    fill: CanvasText;
  }

  .rings circle {
    stroke: CanvasText;
  }

  .voice path {
    stroke: Canvas;
  }

  .stage[data-speaking] {
    outline: 3px solid Highlight;
    outline-offset: -3px;
  }
}
`;
