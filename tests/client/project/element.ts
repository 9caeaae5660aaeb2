// Only has to compile: what the element's types allow, and what they refuse.
import { loadElement } from "@avatar-broker/client/element";
import type { KalturaAvatarElement } from "@avatar-broker/client/element";

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
void turn;
