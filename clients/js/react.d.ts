/** Has React's JSX know `<kaltura-avatar>`: its attributes, its properties, and its events as `onavatar-live`. */
import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { KalturaAvatarAttributes, KalturaAvatarElement, KalturaAvatarEventMap, KalturaAvatarSettings } from "./element.js";

type Handlers = { [Name in keyof KalturaAvatarEventMap as `on${Name}`]?: (event: KalturaAvatarEventMap[Name]) => void };

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "kaltura-avatar": DetailedHTMLProps<HTMLAttributes<KalturaAvatarElement>, KalturaAvatarElement> &
        KalturaAvatarAttributes &
        Partial<KalturaAvatarSettings> &
        Handlers;
    }
  }
}
