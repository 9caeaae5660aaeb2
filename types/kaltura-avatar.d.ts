/** `<kaltura-avatar>` for TypeScript; `static/element/kaltura-avatar.js` is checked against it. */
import type { CreatedSession, PlaceInLine, PublicCatalog, Spoken } from "./broker-api.js";

export type AvatarState = "ready" | "waiting" | "connecting" | "live" | "speaking" | "ended" | "problem";

/** What went wrong; its texts are English and for developers. */
export interface AvatarProblem extends Error {
  readonly title: string;
  readonly detail: string;
  readonly requestId: string;
  readonly retryAfter?: number | undefined;
}

/** What became of a text; `problem` is the name of what kept it from being said. */
export interface AvatarUtterance {
  turnId: string;
  text: string;
  state: "sending" | "accepted" | "queued" | "unclear" | "speaking" | "said" | "stopped" | "failed";
  problem: string | null;
}

/** A session that is wished for; one click has one key, and with `ticket` it is its turn in line. */
export interface SessionWish {
  idempotencyKey: string;
  ticket?: string;
  avatarId?: string;
  voiceId?: string;
}

/** What a page may write into the tag. */
export interface KalturaAvatarAttributes {
  broker?: string;
  "avatar-id"?: string;
  "voice-id"?: string;
  controls?: string;
  lang?: string;
  theme?: "light" | "dark" | "auto";
  captions?: "on" | "off";
  muted?: boolean;
  poster?: string;
  autoresume?: boolean;
  player?: "builtin" | "sdk";
}

/** What a page may set of it, as properties. */
export interface KalturaAvatarSettings {
  broker: string;
  avatarId: string;
  voiceId: string;
  controls: string;
  theme: "light" | "dark" | "auto";
  captions: "on" | "off";
  muted: boolean;
  poster: string;
  autoresume: boolean;
  player: "builtin" | "sdk";
  getAuthToken:
    | ((asked: { reason: "create" | "resume" | "expired" }) => Promise<string | null | undefined>)
    | undefined;
  fetchSession: ((wish: SessionWish) => Promise<CreatedSession | PlaceInLine>) | undefined;
  strings: Record<string, string>;
  fetch: typeof globalThis.fetch | undefined;
  examples: string[];
}

export interface KalturaAvatarElement extends HTMLElement, KalturaAvatarSettings {
  readonly state: AvatarState;
  readonly sessionId: string | null;
  readonly secondsLeft: number | null;
  readonly place: PlaceInLine | null;
  readonly problem: AvatarProblem | null;
  readonly utterances: AvatarUtterance[];
  readonly catalog: PublicCatalog | null;
  preload(): Promise<"builtin" | "sdk" | null>;
  start(): Promise<AvatarState>;
  speak(text: string | AsyncIterable<string>, options?: { turnId?: string }): Promise<Spoken | null>;
  speakAudio(blob: Blob): Promise<Spoken>;
  interrupt(): Promise<void>;
  end(): void;
  leaveLine(): void;
  unmute(): void;
}

export interface KalturaAvatarEventMap {
  "avatar-beforestart": CustomEvent<Record<string, never>>;
  "avatar-beforespeak": CustomEvent<{ text: string }>;
  "avatar-state": CustomEvent<{ state: AvatarState }>;
  "avatar-waiting": CustomEvent<{ place: PlaceInLine | null; again: boolean; cutOff: boolean }>;
  "avatar-opened": CustomEvent<{ sessionId: string; secondsLeft: number }>;
  "avatar-live": CustomEvent<{ sessionId: string }>;
  "avatar-utterance": CustomEvent<AvatarUtterance>;
  "avatar-speaking": CustomEvent<{ speaking: boolean }>;
  "avatar-timeleft": CustomEvent<{ secondsLeft: number }>;
  "avatar-soundblocked": CustomEvent<Record<string, never>>;
  "avatar-problem": CustomEvent<{ problem: AvatarProblem }>;
  "avatar-ended": CustomEvent<{ sessionId: string | null; reason: string | null }>;
}

declare global {
  interface HTMLElementTagNameMap {
    "kaltura-avatar": KalturaAvatarElement;
  }
  interface HTMLElementEventMap extends KalturaAvatarEventMap {}
}
