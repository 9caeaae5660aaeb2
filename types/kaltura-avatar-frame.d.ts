/** `<kaltura-avatar-frame>` for TypeScript; `static/embed/avatar-frame.js` is checked against it. */
import type { KalturaAvatarAttributes, KalturaAvatarElement } from "./kaltura-avatar.js";

/** What a page may write into the tag. */
export interface KalturaAvatarFrameAttributes
  extends Pick<KalturaAvatarAttributes, "avatar-id" | "voice-id" | "lang"> {
  theme?: "light" | "dark";
  text?: string;
}

/** What the frame tells of the element in it. */
export type KalturaAvatarFrameFacts = Pick<
  KalturaAvatarElement,
  "state" | "sessionId" | "secondsLeft" | "place" | "problem" | "utterances"
>;

export interface KalturaAvatarFrameElement
  extends HTMLElement,
    KalturaAvatarFrameFacts,
    Pick<KalturaAvatarElement, "getAuthToken" | "start" | "speak" | "speakAudio" | "interrupt"> {
  end(): Promise<void>;
  leaveLine(): Promise<void>;
  unmute(): Promise<void>;
}

declare global {
  interface HTMLElementTagNameMap {
    "kaltura-avatar-frame": KalturaAvatarFrameElement;
  }
}
