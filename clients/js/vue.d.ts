/**
 * Has Vue's templates know `<kaltura-avatar>`, its attributes, its properties, and its events as
 * `@avatar-live`; and `<kaltura-avatar-frame>`.
 */
import type { EmitFn, HTMLAttributes, PublicProps } from "vue";
import type {
  KalturaAvatarElement,
  KalturaAvatarEventMap,
  KalturaAvatarFrameAttributes,
  KalturaAvatarFrameElement,
  KalturaAvatarSettings,
} from "./element.js";

interface Of<Properties> {
  $props: HTMLAttributes & Partial<Properties> & PublicProps;
  $emit: EmitFn<{ [Name in keyof KalturaAvatarEventMap]: (event: KalturaAvatarEventMap[Name]) => void }>;
}

declare module "vue" {
  interface GlobalComponents {
    "kaltura-avatar": new () => KalturaAvatarElement & Of<KalturaAvatarSettings>;
    "kaltura-avatar-frame": new () => KalturaAvatarFrameElement &
      Of<KalturaAvatarFrameAttributes & Pick<KalturaAvatarFrameElement, "getAuthToken">>;
  }
}
