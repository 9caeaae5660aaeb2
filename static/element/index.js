// What is shown stands before what it does: in a bundle, texts side by side compress better.
import "./style/style.js";
import "./markup.js";
import "./languages/en.js";
import "./words/problem-words.js";
import { KalturaAvatar, NAME } from "./kaltura-avatar.js";

export { KalturaAvatar };

// Neither on a server that renders pages, nor a second time on a page.
if (globalThis.customElements && !customElements.get(NAME)) customElements.define(NAME, KalturaAvatar);
