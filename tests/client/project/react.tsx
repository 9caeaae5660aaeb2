// Only has to compile: what JSX may say of the element.
import { useRef } from "react";
import type { KalturaAvatarElement } from "@avatar-broker/client/element";
import type {} from "@avatar-broker/client/react";

export function Guide() {
  const avatar = useRef<KalturaAvatarElement>(null);
  return (
    <kaltura-avatar
      ref={avatar}
      className="guide"
      avatar-id="ada"
      theme="dark"
      autoresume
      getAuthToken={async ({ reason }) => (reason === "expired" ? "a new token" : "token")}
      onavatar-ended={({ detail: { reason } }) => console.log(reason?.toUpperCase())}
    >
      <p slot="terms">Our terms</p>
    </kaltura-avatar>
  );
}

export const Framed = () => <kaltura-avatar-frame theme="dark" text="Hello." getAuthToken={async () => "token"} />;

// @ts-expect-error: there are two players
export const wrong = <kaltura-avatar player="flash" />;
