/** Has Vue's templates know `<kaltura-avatar>`: its attributes, its properties, and its events as `@avatar-live`. */
import type { EmitFn, HTMLAttributes, PublicProps } from "vue";
import type { KalturaAvatarElement, KalturaAvatarEventMap, KalturaAvatarSettings } from "./element.js";

declare module "vue" {
  interface GlobalComponents {
    "kaltura-avatar": new () => KalturaAvatarElement & {
      $props: HTMLAttributes & Partial<KalturaAvatarSettings> & PublicProps;
      $emit: EmitFn<{ [Name in keyof KalturaAvatarEventMap]: (event: KalturaAvatarEventMap[Name]) => void }>;
    };
  }
}
