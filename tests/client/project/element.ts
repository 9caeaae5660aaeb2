// Only has to compile: what the element's types allow, and what they refuse.
import { loadElement } from "@avatar-broker/client/element";
import type { KalturaAvatarAttributes, KalturaAvatarElement } from "@avatar-broker/client/element";

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "kaltura-avatar": KalturaAvatarAttributes;
    }
  }
}

await loadElement("https://broker.example");
const avatar: KalturaAvatarElement = document.createElement("kaltura-avatar");
avatar.getAuthToken = async ({ reason }) => (reason === "expired" ? "a new token" : "token");
avatar.captions = "off";
// @ts-expect-error: there are two players
avatar.player = "flash";
// @ts-expect-error: the state is to be read
avatar.state = "live";
avatar.addEventListener("avatar-problem", ({ detail: { problem } }) => console.error(problem.requestId));
avatar.addEventListener("avatar-state", ({ detail: { state } }) => state === "speaking");
const receipt = await avatar.speak("Hello.", { turnId: "t-1" });
const turn: string | undefined = receipt?.turnId;

const written: import("react").JSX.IntrinsicElements["kaltura-avatar"] = { theme: "dark", "avatar-id": turn ?? "ada" };
// @ts-expect-error: functions are no attributes
const wrong: KalturaAvatarAttributes = { getAuthToken: async () => "token" };
void [written, wrong];
