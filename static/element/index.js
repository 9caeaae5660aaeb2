import { KalturaAvatar, NAME } from "./kaltura-avatar.js";

export { KalturaAvatar };

// Neither on a server that renders pages, nor a second time on a page.
if (globalThis.customElements && !customElements.get(NAME)) customElements.define(NAME, KalturaAvatar);
