/** The stage, and what lies over the avatar. */
export default `
/* The stage */

.theatre {
  align-self: start;
  overflow: hidden;
  border: 1px solid var(--line);
  border-radius: var(--radius);
  background: var(--surface);
  box-shadow: var(--shadow);
}

.stage {
  position: relative;
  display: grid;
  width: 100%;
  max-height: max(16rem, 72vh);
  overflow: hidden;
  aspect-ratio: var(--avatar-aspect-ratio, 1);
  background: linear-gradient(var(--stage-top), var(--stage-bottom));
  container: stage / size;
}

.stage > * {
  grid-area: 1 / 1;
}

.media {
  position: relative;
  z-index: 1;
  min-height: 0;
  opacity: 0;
}

.stage[data-state="live"] .media {
  opacity: 1;
}

.scene {
  position: relative;
}

.media video,
.scene svg,
.poster,
::slotted([slot="media"]),
::slotted([slot="poster"]) {
  position: absolute;
  inset: 0;
  width: 100%;
  height: 100%;
  object-fit: var(--avatar-object-fit, cover);
}

.media video {
  object-position: 50% 30%;
}

.scene svg {
  overflow: visible;
}

.rings circle {
  fill: none;
  stroke: var(--accent);
  transform-origin: 200px 168px;
}

.head-top {
  stop-color: var(--head-top);
}

.head-bottom {
  stop-color: var(--head-bottom);
}

.body-top {
  stop-color: var(--body-top);
}

.body-bottom {
  stop-color: var(--body-bottom);
}

.voice path {
  stroke: var(--figure-voice);
  stroke-width: 6;
  stroke-linecap: round;
  transform-origin: 200px 168px;
}

.stage[data-state="ended"] .scene,
.stage[data-state="problem"] .scene {
  filter: grayscale(0.7);
  opacity: 0.7;
}

@media (prefers-reduced-motion: no-preference) {
  .stage[data-state="connecting"] .voice path {
    animation: murmur 1.3s ease-in-out infinite;
  }

  .stage .voice path:nth-child(2) {
    animation-delay: 120ms;
  }

  .stage .voice path:nth-child(3) {
    animation-delay: 240ms;
  }

  .stage .voice path:nth-child(4) {
    animation-delay: 360ms;
  }

  .stage .voice path:nth-child(5) {
    animation-delay: 480ms;
  }

  .stage[data-state="connecting"] .rings circle {
    animation: ripple 2.6s ease-out infinite;
  }

  /* Who waits for minutes is not to be hurried. */
  .layout:has(.panel:not([hidden], [data-called])) .voice path {
    animation: none;
  }

  .layout:has(.panel:not([hidden], [data-called])) .rings circle {
    animation-duration: 7s;
  }

  .media {
    transition: opacity 700ms ease;
  }

  .lamp {
    transition: background-color 300ms ease;
  }

  .stage::after {
    transition: box-shadow 250ms ease;
  }
}

@keyframes murmur {
  50% {
    transform: scaleY(0.35);
  }
}

@keyframes ripple {
  from {
    transform: scale(0.86);
    opacity: 0;
  }

  40% {
    opacity: 1;
  }

  to {
    transform: scale(1.08);
    opacity: 0;
  }
}

/* A rim of light while the avatar speaks. */
.stage::after {
  content: "";
  grid-area: 1 / 1;
  z-index: 2;
  pointer-events: none;
}

.stage[data-speaking]::after {
  box-shadow: inset 0 -5rem 5rem -4rem color-mix(in srgb, var(--accent) 70%, transparent);
}

.chip {
  z-index: 3;
  place-self: start;
  margin: 0.875rem;
  padding: 0.25rem 0.625rem;
  border-radius: 99px;
  background: rgb(12 18 18 / 72%);
  color: #fff;
  font-size: 0.75rem;
  line-height: 1.4;
}

/* Two lines of the usual size leave the face free on a stage of any height. */
.caption {
  --size: var(--avatar-caption-size, clamp(0.75rem, 5cqb, 1.125rem));

  z-index: 3;
  place-self: end center;
  max-width: min(34em, 100% - 1rem);
  margin: min(1.25rem, 3cqb) 0.5rem;
  padding: 0.25em 0.75em;
  border-radius: 12px;
  background: var(--avatar-caption-background, rgb(12 18 18 / 78%));
  color: #fff;
  font: var(--size) / 1.35 var(--serif);
  text-align: center;
  text-wrap: balance;
  overflow-wrap: anywhere;
}

[data-captions="small"] .caption {
  font-size: calc(var(--size) * 0.85);
}

[data-captions="large"] .caption {
  font-size: calc(var(--size) * 1.35);
}

[data-captions="off"] .caption {
  display: none;
}

.sound {
  z-index: 4;
  place-self: end center;
  margin-bottom: min(5rem, 30cqb);
  box-shadow: var(--shadow);
}

.viewing {
  z-index: 4;
  display: flex;
  flex-wrap: wrap;
  place-self: start end;
  justify-content: end;
  gap: 0.25rem;
  max-width: calc(100% - 1rem);
  margin: 0.5rem;
}

.viewing button,
.viewing input {
  min-height: 2rem;
  border-radius: 99px;
  background: rgb(12 18 18 / 72%);
  color: #fff;
}

.viewing button {
  display: grid;
  place-items: center;
  width: 2.25rem;
  padding: 0;
  border-color: transparent;
  font-size: 0.75rem;
}

.viewing svg {
  width: 1.25rem;
  fill: none;
  stroke: currentcolor;
  stroke-width: 2;
  stroke-linejoin: round;
}

[aria-pressed="true"] .waves,
[aria-pressed="false"] .crossed {
  display: none;
}

.viewing button[aria-pressed="true"] {
  background: #fff;
  color: #0c1212;
}

.viewing input {
  width: 5rem;
  margin: 0;
  padding: 0 0.5rem;
  accent-color: #fff;
}

/* On a small stage they stand beside the face; there the device's own keys change the volume. */
@container stage (max-width: 30rem) {
  .viewing {
    flex-direction: column;
  }

  .chip:has(+ .viewing:not([hidden])) {
    margin-inline-end: 3.25rem;
  }

  .viewing input {
    display: none;
  }

  .messages .notice {
    padding: 0.5rem 0.75rem;
    border-radius: 12px;
    font-size: 0.8125rem;
    line-height: 1.35;
  }

  .messages .notice button {
    min-height: 2.25rem;
    margin-top: 0.375rem;
  }

  .viewing:not([hidden]) ~ .messages {
    place-self: start;
    width: calc(100% - 3.75rem);
    margin-inline-start: 0.5rem;
  }
}

.stage:fullscreen {
  --avatar-object-fit: contain;

  width: 100%;
  height: 100%;
  max-height: none;
}
`;
