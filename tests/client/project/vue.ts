// Only has to compile: what Vue's templates may say of the element.
import type { GlobalComponents } from "vue";
import type {} from "@avatar-broker/client/vue";

type Avatar = InstanceType<GlobalComponents["kaltura-avatar"]>;
type Said = Avatar["$props"];

const said: Said = { class: "guide", avatarId: "ada", theme: "dark", getAuthToken: async () => "token" };
const framed: InstanceType<GlobalComponents["kaltura-avatar-frame"]>["$props"] = { theme: "dark", text: "Hello." };
// @ts-expect-error: there are two players
const wrong: Said = { player: "flash" };
declare const emit: Avatar["$emit"];
declare const ended: CustomEvent<{ sessionId: string | null; reason: string | null }>;
emit("avatar-ended", ended);
// @ts-expect-error: there is no such event
emit("avatar-tired", ended);
void [said, framed, wrong];
