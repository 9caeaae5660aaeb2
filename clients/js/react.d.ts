/**
 * Has React's JSX know `<kaltura-avatar>`, its attributes, its properties, and its events as
 * `onavatar-live`; and `<kaltura-avatar-frame>`.
 */
import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type {
  KalturaAvatarAttributes,
  KalturaAvatarElement,
  KalturaAvatarEventMap,
  KalturaAvatarFrameAttributes,
  KalturaAvatarFrameElement,
  KalturaAvatarSettings,
} from "./element.js";

type Html<Element> = DetailedHTMLProps<HTMLAttributes<Element>, Element>;

type Handlers = { [Name in keyof KalturaAvatarEventMap as `on${Name}`]?: (event: KalturaAvatarEventMap[Name]) => void };

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "kaltura-avatar": Html<KalturaAvatarElement> &
        KalturaAvatarAttributes &
        Partial<KalturaAvatarSettings> &
        Handlers;
      "kaltura-avatar-frame": Html<KalturaAvatarFrameElement> &
        KalturaAvatarFrameAttributes &
        Partial<Pick<KalturaAvatarFrameElement, "getAuthToken">> &
        Handlers;
    }
  }
}
