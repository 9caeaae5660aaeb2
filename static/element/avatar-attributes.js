import { parsedUrl } from "../shared/browser-compat.js";

/** What may be shown, in the attribute `controls`; all of it without the attribute. */
const CONTROLS = ["start", "stop", "end", "composer", "captions", "transcript", "picker", "fullscreen"];

/** A server that renders pages has no elements. @type {typeof HTMLElement} */
const Base = globalThis.HTMLElement ?? class {};

/** What a page may write into the tag of `<kaltura-avatar>`, each attribute as a property too. */
export class AvatarAttributes extends Base {
  /** The broker's origin: where this script came from, if nothing else is said; what is no address answers nobody. */
  get broker() {
    const given = this.getAttribute("broker") || import.meta.url;
    return parsedUrl(given, document.baseURI)?.origin ?? given;
  }

  set broker(value) {
    this.setAttribute("broker", value);
  }

  get avatarId() {
    return this.getAttribute("avatar-id") ?? "";
  }

  set avatarId(value) {
    this.setAttribute("avatar-id", value);
  }

  get voiceId() {
    return this.getAttribute("voice-id") ?? "";
  }

  set voiceId(value) {
    this.setAttribute("voice-id", value);
  }

  get controls() {
    return this.getAttribute("controls") ?? CONTROLS.join(" ");
  }

  set controls(value) {
    this.setAttribute("controls", value);
  }

  /** @returns {"light" | "dark" | "auto"} */
  get theme() {
    const theme = this.getAttribute("theme");
    return theme === "light" || theme === "dark" ? theme : "auto";
  }

  set theme(value) {
    this.setAttribute("theme", value);
  }

  /** Whether there are captions until the visitor decides. @returns {"on" | "off"} */
  get captions() {
    return this.getAttribute("captions") === "off" ? "off" : "on";
  }

  set captions(value) {
    this.setAttribute("captions", value);
  }

  get muted() {
    return this.hasAttribute("muted");
  }

  set muted(value) {
    this.toggleAttribute("muted", value);
  }

  get poster() {
    return this.getAttribute("poster") ?? "";
  }

  set poster(value) {
    this.setAttribute("poster", value);
  }

  /** Whether a session that a reload interrupted goes on by itself. */
  get autoresume() {
    return this.hasAttribute("autoresume");
  }

  set autoresume(value) {
    this.toggleAttribute("autoresume", value);
  }

  /** @returns {"builtin" | "sdk"} */
  get player() {
    return this.getAttribute("player") === "sdk" ? "sdk" : "builtin";
  }

  set player(value) {
    this.setAttribute("player", value);
  }
}
