// Only has to compile: what the element's types allow, and what they refuse.
import { loadElement, loadFrame } from "@avatar-broker/client/element";
import type {
  KalturaAvatarAttributes,
  KalturaAvatarElement,
  KalturaAvatarFrameAttributes,
  KalturaAvatarFrameElement,
} from "@avatar-broker/client/element";

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

// @ts-expect-error: functions are no attributes
const wrong: KalturaAvatarAttributes = { getAuthToken: async () => "token" };

await loadFrame("https://broker.example");
const frame: KalturaAvatarFrameElement = document.createElement("kaltura-avatar-frame");
frame.getAuthToken = avatar.getAuthToken;
frame.addEventListener("avatar-utterance", ({ detail: { text } }) => text.length);
await frame.end();
// @ts-expect-error: across a frame there is no function of the page
frame.fetchSession = avatar.fetchSession;
// @ts-expect-error: the broker is where the script came from
const elsewhere: KalturaAvatarFrameAttributes = { broker: "https://broker.example" };
void [turn, wrong, elsewhere];
